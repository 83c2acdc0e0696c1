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
from bridge_distill.selection.parallel import blocks, each
from bridge_distill.selection.vectors import Directions, Floats

SIZE = 256
_LARGEST = 4 * SIZE
_SAMPLE = 64
_BLOCK = 8192
_ROOTS_SEARCHED = 4


@dataclass(frozen=True)
class Index:
    """Lists of a pool's directions: ``heads`` are the lists' centroids, themselves in lists under ``roots``.

    ``place`` (n,) is where each row of the pool lies in the lists.
    """

    lists: Lists
    heads: Lists
    roots: NDArray[np.float32]
    place: NDArray[np.int64]

    def member(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Directions of the pool's rows, shape (rows, width)."""
        taken: NDArray[np.float32] = self.lists.vectors[self.place[rows]].astype(np.float32, copy=False)
        return taken

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
    roots, root_of = cluster(directions, max(1, round((len(directions) / SIZE) ** 0.5)), seed, threads)
    used = np.unique(root_of)
    names = np.argsort(root_of, kind="stable").astype(np.int32)
    starts = np.searchsorted(root_of[names], np.append(used, len(roots)))
    vectors = _gathered(directions, names, threads)
    made: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    def divide(number: int) -> None:
        at = slice(int(starts[number]), int(starts[number + 1]))
        part = vectors[at].astype(np.float32)
        sizes, order, heads = _divide(part, np.random.default_rng([seed, number]))
        vectors[at], names[at], made[number] = part[order], names[at][order], (sizes, heads)

    each(divide, range(len(used)), threads)
    sizes, heads = zip(*(made[number] for number in range(len(used))), strict=True)
    cuts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    of_root = np.cumsum([0, *map(len, sizes)])
    under_roots = Lists(np.concatenate(heads), of_root, np.arange(of_root[-1], dtype=np.int32))
    return Index(Lists(vectors, cuts, names), under_roots, roots[used], np.argsort(names))


def _gathered(directions: Directions, names: NDArray[np.int32], threads: int) -> Floats:
    """All rows in the order of ``names``, read in their own order: a disk reads that hundreds of times as fast."""
    place = np.empty(len(names), dtype=np.int64)
    place[names] = np.arange(len(names))
    half = directions.embeddings.dtype == np.float16
    vectors: Floats = np.empty((len(names), directions.width), dtype=np.float16 if half else np.float32)

    def put(rows: slice) -> None:
        vectors[place[rows]] = directions.take(rows)

    each(put, blocks(len(names), _BLOCK), threads)
    return vectors


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
