"""The sparse graph of nearest neighbours: exact for small pools, by inverted lists for large ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.join import Lists, Nearest, search
from bridge_distill.selection.lists import build
from bridge_distill.selection.parallel import blocks
from bridge_distill.selection.vectors import Directions

EXACT = 10_000
ONE = 1 << 15
Kernel = Callable[[NDArray[np.float32]], NDArray[np.float32]]


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
        every = np.arange(len(directions))
        rows, base = every if rows is None else rows, directions if candidates is None else directions.part(candidates)
        found = Nearest.nothing(len(rows), min(self.neighbours, len(base)))
        self._search(found, directions, rows, base)
        if candidates is None:
            found.add_self(np.arange(len(rows)), rows)
        else:
            _, row, candidate = np.intersect1d(rows, candidates, assume_unique=True, return_indices=True)
            found.add_self(row, candidate)
        return self._rounded(found, len(base))

    def _search(self, found: Nearest, directions: Directions, rows: NDArray[np.int64], base: Directions) -> None:
        count, n = len(rows), len(base)

        def fetch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            return directions.take(rows[numbers])

        if count * n <= EXACT**2:
            one_list = Lists(base.all(), np.array([0, n]), np.arange(n, dtype=np.int32))
            search(found, fetch, one_list, np.zeros((count, 1), dtype=np.int32), self.threads)
            return
        index = build(base, self.seed, self.threads)
        search(found, fetch, index.lists, index.probes(fetch, count, self.probes, self.threads), self.threads)

    def _rounded(self, found: Nearest, candidates: int) -> Graph:
        """Similarities as whole numbers; a place where no candidate was found names the first one at 0."""
        similarity = np.empty(found.rows.shape, dtype=np.uint16)
        for rows in blocks(len(found.rows), 1 << 16):
            strength = np.clip(self.kernel(found.cosine(rows)), 0, 1)
            strength[found.rows[rows] < 0] = 0
            similarity[rows] = np.rint(strength * ONE)
        return Graph(np.maximum(found.rows, 0, out=found.rows), similarity, candidates)
