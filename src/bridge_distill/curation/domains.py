"""Domains: those that the pool names, clusters where it names none, and how many traces each may have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError, nearest

_ROUNDS = 20


def cluster(vectors: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """The cluster of each row, of at most ``count`` (k-means, started by k-means++, Arthur and Vassilvitskii 2007)."""
    from scipy.cluster.vq import kmeans2

    distinct = len(np.unique(vectors, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster is no trouble: none is drawn from it
        _, found = kmeans2(
            vectors.astype(np.float64), min(count, distinct), iter=_ROUNDS, minit="++", rng=np.random.default_rng(seed)
        )
    labels: NDArray[np.int64] = np.asarray(found, dtype=np.int64)
    return labels


def named(given: Sequence[str | None], clusters: NDArray[np.int64]) -> list[str]:
    """The domain of each row: the one given, or its cluster's name."""
    return [name or f"cluster {number:02d}" for name, number in zip(given, clusters, strict=True)]


def read_quotas(quotas: Mapping[str, str], domains: Sequence[str], number: int) -> dict[str, int]:
    """The most traces of each domain with a quota; raises ``UserError`` for an unknown domain or amount."""
    known, found = set(domains), {}
    for domain, amount in quotas.items():
        place = f"--quota {domain}={amount}"
        if domain not in known:
            raise UserError(place, f"no trace that is left is of domain {domain!r}", nearest(domain, known))
        text = amount.strip()
        try:
            share = float(text.removesuffix("%"))
        except ValueError:
            share = -1.0
        most = share / 100 * number if text.endswith("%") else share
        if share < 0 or (not text.endswith("%") and most != int(most)):
            raise UserError(place, "is neither a count nor a share", "write such as law=200 or law=10%")
        found[domain] = int(most)
    return found
