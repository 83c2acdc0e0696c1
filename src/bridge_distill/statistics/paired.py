"""Two models on the same questions: the paired difference with Newcombe's interval and McNemar's exact test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.statistics.shares import interval


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of one model minus another's over the same ``n`` questions.

    ``points``, ``low`` and ``high`` (a 95% interval) are percentage points, from -100 to 100; ``p`` is McNemar's exact
    two-sided p-value; ``discordant`` counts the questions that exactly one of the two answered correctly.
    """

    points: float
    low: float
    high: float
    p: float
    n: int
    discordant: int

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes 0: these questions tell the two models apart."""
        return self.low > 0 or self.high < 0


def paired_difference(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Difference:
    """Accuracy of ``a`` minus ``b``, paired: both of shape (questions,), True where that model was correct.

    The interval is Newcombe's hybrid score interval: unlike a bootstrap it keeps an honest width where the models
    disagree nowhere, and swapping the models mirrors it exactly.
    R. G. Newcombe (1998), Improved confidence intervals for the difference between binomial proportions based on
    paired data, Statistics in Medicine 17, method 10. Raises ``ValueError`` for shapes that differ or are empty.
    """
    from scipy.stats import binomtest

    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"cannot pair answers of shapes {a.shape} and {b.shape}")
    n = int(a.size)
    both, only_a, only_b = int(np.sum(a & b)), int(np.sum(a & ~b)), int(np.sum(b & ~a))
    low, high = _newcombe(both, only_a, only_b, n)
    discordant = only_a + only_b
    p = float(binomtest(only_a, discordant, 0.5).pvalue) if discordant else 1.0
    return Difference(100 * (only_a - only_b) / n, 100 * low, 100 * high, p, n, discordant)


def _newcombe(both: int, only_a: int, only_b: int, n: int) -> tuple[float, float]:
    right_a, right_b = both + only_a, both + only_b
    (low_a, high_a), (low_b, high_b) = interval(right_a, n), interval(right_b, n)
    share_a, share_b = right_a / n, right_b / n
    phi = _correlation(both, only_a, only_b, n - both - only_a - only_b)
    down = _hybrid(share_a - low_a, high_b - share_b, phi)
    up = _hybrid(high_a - share_a, share_b - low_b, phi)
    difference = (only_a - only_b) / n
    return max(difference - down, -1.0), min(difference + up, 1.0)


def _hybrid(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    product = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if product == 0:
        return 0.0
    excess = both * neither - only_a * only_b
    if excess > 0:
        excess_corrected = max(excess - (both + only_a + only_b + neither) / 2, 0.0)
        return excess_corrected / math.sqrt(product)
    return excess / math.sqrt(product)
