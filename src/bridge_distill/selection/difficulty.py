"""Difficulty: signals of different units made comparable by their ranks, and weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bridge_distill.errors import UserError, nearest


def check_difficulty(weights: Mapping[str, float], measured: list[str]) -> None:
    """Raise ``UserError`` for a weight of something that is not measured."""
    for name in weights:
        if name not in measured:
            cure = f"measure it with score.signals, or weigh what is measured: {nearest(name, measured)}"
            raise UserError(f"score.difficulty.{name}", "is not measured", cure)


def difficulty(columns: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """The weighted mean of the columns' scaled ranks, of shape (questions,) and within 0..1.

    A question that lacks a signal (NaN) is judged by the others, and lies in the middle where it lacks all.
    """
    ranks = np.stack([scaled_ranks(columns[name]) for name in weights])
    weight = np.array([*weights.values()])[:, None] * ~np.isnan(ranks)
    total = weight.sum(0)
    mean = (np.nan_to_num(ranks) * weight).sum(0) / np.where(total > 0, total, 1)
    found: NDArray[np.float64] = np.where(total > 0, mean, 0.5)
    return found


def scaled_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average ranks scaled to 0..1, of shape (n,); equal values share a rank, NaN stays NaN and counts for none."""
    ranks: NDArray[np.float64] = rankdata(values, nan_policy="omit")
    return (ranks - 0.5) / max(int((~np.isnan(values)).sum()), 1)
