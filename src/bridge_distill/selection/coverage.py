"""Greedy weighted facility location over a sparse graph, exact to the last bit.

Choose S to maximise f(S) = sum_i w_i max_{j in S} sim(i, j). f is monotone and submodular, so greedy reaches
1 - 1/e of the best (Nemhauser, Wolsey and Fisher 1978). Every gain is kept up to date: a choice changes
the gains of those candidates only that share a row with it. The next choice comes out of a short list of
the best gains, valid for as long as its best is no worse than the best one left out was when the list was
made, since gains only shrink (Minoux 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.neighbours import ONE, Graph
from bridge_distill.selection.parallel import blocks

_SHORT_LIST = 4096
NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Covered:
    """Candidates in the order of choice, the weighted coverage that each added, and how many rows it served best."""

    order: NDArray[np.int64]
    gains: NDArray[np.float64]
    served: NDArray[np.int64]


def whole(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Weights in 0..1 as whole numbers in units of 1/``ONE``."""
    return np.rint(weights * ONE).astype(np.int64)


def greedy(graph: Graph, weights: NDArray[np.int64], count: int, taken: NDArray[np.int64] = NOTHING) -> Covered:
    """Choose ``count`` candidates; of equal gains the first candidate. ``weights`` (n,) as ``whole`` makes them.

    ``taken`` are candidates that cover from the start and are not chosen again. Cost: edges + (count + taken) x
    (rows served x k); memory 6 bytes an edge, and 8 a candidate.
    """
    cover = _Cover(graph, weights)
    for earlier in taken:
        cover.place(int(earlier))
    order, gained, served = (np.zeros(count, dtype=np.int64) for _ in range(3))
    short = _ShortList(cover.gains)
    for turn in range(count):
        chosen = short.best()
        order[turn], gained[turn] = chosen, cover.gains[chosen]
        served[turn] = cover.place(chosen)
    return Covered(order, gained / float(ONE) ** 2, served)


class _Cover:
    """How well each row is covered so far, and what each candidate would add; -1 for one that is placed."""

    def __init__(self, graph: Graph, weights: NDArray[np.int64]) -> None:
        from scipy.sparse import csr_array

        n, k = graph.near.shape
        edges = (graph.similarity.ravel(), graph.near.ravel(), np.arange(0, n * k + 1, k))
        self._served_by = csr_array(edges, shape=(n, graph.candidates)).tocsc()
        self._graph, self._weights = graph, weights
        self._covered = np.zeros(n, dtype=np.uint16)
        self.gains = first_gains(graph, weights)

    def place(self, candidate: int) -> int:
        """Let a candidate cover what it can; returns how many rows it serves better than all before."""
        reach = slice(self._served_by.indptr[candidate], self._served_by.indptr[candidate + 1])
        rows, offered = self._served_by.indices[reach], self._served_by.data[reach]
        nearer = offered > self._covered[rows]
        rows, offered = rows[nearer], offered[nearer]
        self._take_off(rows, offered)
        self._covered[rows] = offered
        self.gains[candidate] = -1
        return len(rows)

    def _take_off(self, rows: NDArray[np.int32], new: NDArray[np.uint16]) -> None:
        """What each candidate offered ``rows`` up to ``new`` is no gain any more."""
        low = self._covered[rows][:, None].astype(np.int64)
        lost = np.clip(self._graph.similarity[rows], low, new[:, None]) - low
        worth = lost * self._weights[rows, None]
        np.subtract.at(self.gains, self._graph.near[rows].ravel(), worth.ravel())


def first_gains(graph: Graph, weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """The gain of each candidate alone, shape (candidates,)."""
    gains = np.zeros(graph.candidates, dtype=np.int64)
    for rows in blocks(len(graph.near), 1 << 16):
        # Sums stay below 2**53, so float64 holds them exactly.
        worth = (graph.similarity[rows] * weights[rows, None]).ravel()
        gains += np.bincount(graph.near[rows].ravel(), worth, graph.candidates).astype(np.int64)
    return gains


class _ShortList:
    """The first ``_SHORT_LIST`` candidates by gain and then by number, in the order of their numbers."""

    def __init__(self, gains: NDArray[np.int64]) -> None:
        self.gains = gains
        self.members = np.empty(0, dtype=np.int64)
        self.least = 0

    def best(self) -> int:
        """The candidate of largest gain; of equal ones the first."""
        if len(self.members):
            now = self.gains[self.members]
            at = int(np.argmax(now))
            if now[at] >= self.least:
                return int(self.members[at])
        self._renew()
        return int(self.members[np.argmax(self.gains[self.members])])

    def _renew(self) -> None:
        size = min(_SHORT_LIST, len(self.gains))
        self.least = max(0, int(np.partition(self.gains, len(self.gains) - size)[-size]))
        above = np.flatnonzero(self.gains > self.least)
        level = np.flatnonzero(self.gains == self.least)[: size - len(above)]
        self.members = np.sort(np.concatenate([above, level]))
