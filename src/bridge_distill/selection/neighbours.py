"""The sparse graph of nearest neighbours: exact for small pools, by inverted lists for large ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bridge_distill.selection.join import MOST, Lists, Nearest, search
from bridge_distill.selection.lists import build
from bridge_distill.selection.parallel import blocks
from bridge_distill.selection.vectors import Directions

EXACT = 10_000
ONE = 1 << 15
Kernel = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Few = Annotated[int, Field(gt=0, le=MOST)]  # as many neighbours, or lists to look in, as a search can keep


@dataclass(frozen=True)
class Graph:
    """Who covers whom: row ``i`` is near the candidates ``near[i]`` (n, k), of ``candidates`` in all.

    ``similarity`` (n, k) is in units of 1/``ONE``. As a whole number it takes half the memory of a float,
    and sums of it are exact: neither the order of sums nor the number of threads can decide a choice.
    """

    near: NDArray[np.int32]
    similarity: NDArray[np.uint16]
    candidates: int


@dataclass(frozen=True)
class Search:
    """How a graph is made: ``neighbours`` a row, ``probes`` lists searched, ``kernel`` from cosines to 0..1."""

    neighbours: int
    probes: int
    seed: int
    threads: int
    kernel: Kernel = np.asarray

    def graph(
        self,
        directions: Directions,
        rows: NDArray[np.int64] | None = None,
        candidates: NDArray[np.int64] | None = None,
    ) -> Graph:
        """Each row's nearest candidates, itself with similarity 1 where it is one; None means all rows.

        Exact up to ``EXACT`` squared comparisons; above, ``probes`` lists of about 256 candidates are searched
        for each row. Cost: rows x width x min(candidates, 256 probes); memory: a copy of the candidates
        and 12 bytes an edge. ``near`` counts candidates in the order in which they are given.
        """
        base = directions if candidates is None else directions.part(candidates)
        asked = directions if rows is None else directions.part(rows)
        found = Nearest.nothing(len(asked), min(self.neighbours, len(base)))
        self._search(found, asked, base)
        names = np.arange(len(directions)) if rows is None else rows
        others = np.arange(len(directions)) if candidates is None else candidates
        _, row, candidate = np.intersect1d(names, others, assume_unique=True, return_indices=True)
        found.add_self(row, candidate)
        return self._rounded(found, len(base))

    def _search(self, found: Nearest, asked: Directions, base: Directions) -> None:
        if len(asked) * len(base) <= EXACT**2:
            one_list = Lists(base.all(), np.array([0, len(base)]), np.arange(len(base), dtype=np.int32))
            queries = one_list.vectors if asked is base else asked.all()
            search(found, queries.__getitem__, one_list, np.zeros((len(asked), 1), dtype=np.int32), self.threads)
            return
        index = build(base, self.seed, self.threads)
        fetch = index.member if asked is base else asked.all().__getitem__
        search(found, fetch, index.lists, index.probes(fetch, len(asked), self.probes, self.threads), self.threads)

    def _rounded(self, found: Nearest, candidates: int) -> Graph:
        """Similarities as whole numbers; a place where no candidate was found names the first one at 0."""
        similarity = np.empty(found.rows.shape, dtype=np.uint16)
        for rows in blocks(len(found.rows), 1 << 16):
            strength = np.clip(self.kernel(found.cosine(rows)), 0, 1)
            strength[found.rows[rows] < 0] = 0
            similarity[rows] = np.rint(strength * ONE)
        return Graph(np.maximum(found.rows, 0, out=found.rows), similarity, candidates)
