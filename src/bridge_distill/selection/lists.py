"""Directions sorted into lists of near ones by two levels of k-means, so that a search reads a few lists only.

An inverted file (Jegou et al. 2011, Product quantization for nearest neighbor search, TPAMI 33) whose lists
keep their size as the pool grows: building and searching cost rows x width x a constant. Scanned as
matrix products of a list with all its queries, which on a CPU is many times faster than query by query
(benchmarks/selection.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.clusters import closest, cluster, train
from bridge_distill.selection.join import Fetch, Lists, Nearest, search
from bridge_distill.selection.parallel import each
from bridge_distill.selection.vectors import Directions

SIZE = 256
_LARGEST = 4 * SIZE
_SAMPLE = 64
_ROOTS_SEARCHED = 4


@dataclass(frozen=True)
class Index:
    """Lists of a pool's directions: ``heads`` are the lists' centroids, themselves in lists under ``roots``."""

    lists: Lists
    heads: Lists
    roots: NDArray[np.float32]

    def probes(self, queries: Fetch, n: int, count: int, threads: int) -> NDArray[np.int32]:
        """The ``count`` most promising lists for each of ``n`` queries, best first, shape (n, count)."""
        rows = np.arange(n)
        best = np.empty((n, min(_ROOTS_SEARCHED, len(self.roots))), dtype=np.int32)

        def look(part: NDArray[np.int64]) -> None:
            best[part] = np.argsort(-(queries(part) @ self.roots.T), axis=1, kind="stable")[:, : best.shape[1]]

        each(look, np.array_split(rows, max(1, n // 4096)), threads)
        found = Nearest.nothing(n, min(count, len(self.lists)))
        search(found, queries, self.heads, best, threads)
        order = np.argsort(-found.level.astype(np.int32), axis=1, kind="stable")
        return np.take_along_axis(found.rows, order, axis=1)


def build(directions: Directions, seed: int, threads: int) -> Index:
    """Sort all rows into lists of about ``SIZE``. The copy that is held has the embeddings' own precision."""
    n, width = len(directions), directions.width
    roots, root_of = cluster(directions, max(1, round((n / SIZE) ** 0.5)), seed, threads)
    groups = [rows for rows in (np.flatnonzero(root_of == root) for root in range(len(roots))) if len(rows)]
    starts = np.cumsum([0, *map(len, groups)])
    half = directions.embeddings.dtype == np.float16
    vectors = np.empty((n, width), dtype=np.float16 if half else np.float32)
    names = np.empty(n, dtype=np.int32)
    made: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    def divide(number: int) -> None:
        rows, at = groups[number], slice(int(starts[number]), int(starts[number + 1]))
        part = directions.take(rows)
        sizes, order, heads = _divide(part, np.random.default_rng([seed, number]))
        vectors[at], names[at], made[number] = part[order], rows[order], (sizes, heads)

    each(divide, range(len(groups)), threads)
    sizes, heads = zip(*(made[number] for number in range(len(groups))), strict=True)
    cuts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    of_root = np.cumsum([0, *map(len, sizes)])
    kept = roots[np.array([root_of[rows[0]] for rows in groups])]
    return Index(
        Lists(vectors, cuts, names), Lists(np.concatenate(heads), of_root, np.arange(of_root[-1], dtype=np.int32)), kept
    )


def _divide(
    rows: NDArray[np.float32], draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Sizes of the lists made of ``rows``, the order in which rows fill them, and the lists' centroids."""
    k = max(1, round(len(rows) / SIZE))
    sample = np.sort(draw.choice(len(rows), min(len(rows), _SAMPLE * k), replace=False))
    centroids = train(rows[sample], k, draw, threads=1)
    labels = closest(rows, centroids)
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=k)
    # Thousands of equal questions would fill one list, and searching it would cost their square.
    pieces = np.maximum(1, -(-counts // _LARGEST))
    sizes = np.concatenate([_even(int(count), int(piece)) for count, piece in zip(counts, pieces, strict=True)])
    return sizes, order, np.repeat(centroids, pieces, axis=0)


def _even(count: int, pieces: int) -> NDArray[np.int64]:
    return np.array([count * (i + 1) // pieces - count * i // pieces for i in range(pieces)], dtype=np.int64)
