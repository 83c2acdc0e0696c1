"""Spherical k-means: clusters of directions, for strata, representatives and the neighbour search's lists.

Dhillon and Modha 2001, Concept decompositions for large sparse text data using clustering, Machine
Learning 42. Started by k-means++ (Arthur and Vassilvitskii 2007) up to ``_SEEDED`` clusters and by a draw
of rows above, where its one pass over the rows for each cluster would cost more than all the rest.
Cost: rows x clusters x width x iterations, on at most ``_SAMPLE`` rows a cluster, and one pass over all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.parallel import blocks, each
from bridge_distill.selection.vectors import Directions

_BLOCK = 4096
_SAMPLE = 128
_SEEDED = 512
_ITERATIONS = 12


def cluster(directions: Directions, k: int, seed: int, threads: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Centroids of length 1, (k, width), and the cluster of each row, (n,). Clusters may stay empty."""
    draw = np.random.default_rng(seed)
    n = len(directions)
    sample = np.sort(draw.choice(n, min(n, max(_SAMPLE * k, 1024)), replace=False))
    centroids = train(directions.take(sample), k, draw, threads)
    return centroids, _labels(directions.take, n, centroids, threads)


def train(rows: NDArray[np.float32], k: int, draw: np.random.Generator, threads: int) -> NDArray[np.float32]:
    """Centroids (k, width) of ``rows`` (n, width), n >= k."""
    centroids = _first(rows, k, draw)
    labels = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(_ITERATIONS):
        found = _labels(rows.__getitem__, len(rows), centroids, threads)
        if np.array_equal(found, labels):
            break
        labels = found
        centroids = _means(rows, labels, centroids)
    return centroids


def closest(rows: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """The centroid of largest cosine for each row; of equal ones the first."""
    nearest: NDArray[np.int64] = np.argmax(rows @ centroids.T, axis=1)
    return nearest


def _labels(
    take: Callable[[slice], NDArray[np.float32]], n: int, centroids: NDArray[np.float32], threads: int
) -> NDArray[np.int64]:
    labels = np.empty(n, dtype=np.int64)

    def assign(rows: slice) -> None:
        labels[rows] = closest(take(rows), centroids)

    each(assign, blocks(n, _BLOCK), threads)
    return labels


def grouped(
    directions: Directions, centroids: NDArray[np.float32], labels: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """The rows of each cluster that has any, nearest to its centroid first; largest cluster first."""
    close = np.empty(len(labels), dtype=np.int32)
    for rows in blocks(len(labels), _BLOCK):
        cosine = np.einsum("ij,ij->i", directions.take(rows), centroids[labels[rows]])
        close[rows] = np.rint(cosine * 32768)  # whole steps, so that equal rows are equally close
    order = np.lexsort((np.arange(len(labels)), -close, labels))
    groups = np.split(order, np.cumsum(np.bincount(labels, minlength=len(centroids)))[:-1])
    return sorted((group for group in groups if len(group)), key=lambda group: (-len(group), int(group.min())))


def _first(rows: NDArray[np.float32], k: int, draw: np.random.Generator) -> NDArray[np.float32]:
    if k > _SEEDED:
        return rows[np.sort(draw.choice(len(rows), k, replace=False))].copy()
    chosen = [int(draw.integers(len(rows)))]
    apart = 1 - rows @ rows[chosen[0]]
    for _ in range(k - 1):
        mass = np.cumsum(np.maximum(apart, 0), dtype=np.float64)
        chosen.append(int(np.searchsorted(mass, draw.random() * mass[-1], side="right")) if mass[-1] > 0 else 0)
        chosen[-1] = min(chosen[-1], len(rows) - 1)
        np.minimum(apart, 1 - rows @ rows[chosen[-1]], out=apart)
    return rows[chosen].copy()


def _means(rows: NDArray[np.float32], labels: NDArray[np.int64], old: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean direction of each cluster; an empty cluster stays where it was."""
    from scipy.sparse import csr_array

    k, n = len(old), len(rows)
    member = csr_array((np.ones(n, dtype=np.float32), labels, np.arange(n + 1)), shape=(n, k))
    sums = member.T @ rows
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means: NDArray[np.float32] = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), old)
    return means.astype(np.float32)
