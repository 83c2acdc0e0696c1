"""How much of the pool the chosen questions speak for as the budget grows, and how much random ones would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_POINTS = 2000
_MOST = 20_000
_DRAWS = 5
_BUDGETS = 60
_BLOCK = 1024


@dataclass(frozen=True)
class Reach:
    """Shares (budgets,) of the pool that lie within reach of the first ``budgets`` questions, from 0 to 1.

    Two questions are within reach of each other where their cosine is at least ``cosine``: where m
    questions were chosen, that of the nearest 1/m of all pairs, so that one question reaches 1/m of the
    pool on average and m of them could just reach all of it. ``random`` is the mean over draws.
    """

    budgets: NDArray[np.int64]
    chosen: NDArray[np.float64]
    random: NDArray[np.float64]
    cosine: float


def reach(vectors: NDArray[np.float32], order: NDArray[np.int64], seed: int = 0) -> Reach | None:
    """The reach of the rows ``order``, best first, of vectors (pool, width); None for fewer than two rows.

    Measured on a sample of 2,000 questions of the pool, on at most the first 20,000 of ``order``.
    """
    order, total = order[:_MOST], len(vectors)
    if len(order) < 2:
        return None
    rng = np.random.default_rng(seed)
    points = np.sort(rng.choice(total, min(total, _POINTS), replace=False))
    centre = vectors[points].mean(0, dtype=np.float64)
    sample = _unit(vectors, points, centre)
    pairs = (sample @ sample.T)[~np.eye(len(sample), dtype=bool)]
    cosine = float(np.quantile(pairs, 1 - 1 / len(order)))
    budgets = np.unique(np.linspace(1, len(order), _BUDGETS).round().astype(np.int64))
    drawn = [rng.choice(total, len(order), replace=False) for _ in range(_DRAWS)]
    shares = [_shares(sample, _unit(vectors, rows, centre), cosine, budgets) for rows in (order, *drawn)]
    return Reach(budgets, shares[0], np.mean(shares[1:], axis=0), cosine)


def _shares(
    sample: NDArray[np.float32], ranked: NDArray[np.float32], cosine: float, budgets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The share of ``sample`` that the first rows of ``ranked`` reach, at each budget."""
    first = np.full(len(sample), len(ranked))
    for start in range(0, len(ranked), _BLOCK):
        near = sample @ ranked[start : start + _BLOCK].T >= cosine
        new = near.any(1) & (first == len(ranked))
        first[new] = start + near[new].argmax(1)
    return np.array([float((first < budget).mean()) for budget in budgets])


def _unit(vectors: NDArray[np.float32], rows: NDArray[np.int64], centre: NDArray[np.float64]) -> NDArray[np.float32]:
    """Some rows, centred and of length 1; centred because mean hidden states share one large common direction."""
    found = vectors[rows].astype(np.float32) - centre.astype(np.float32)
    unit: NDArray[np.float32] = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return unit
