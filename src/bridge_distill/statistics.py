"""How sure an accuracy, or the difference of two, is: intervals, an exact test, and the power to see one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Z95 = NormalDist().inv_cdf(0.975)
Z80_POWER = NormalDist().inv_cdf(0.8)


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


def interval(correct: int, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share, as shares from 0 to 1.

    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
    Raises ``ValueError`` unless ``0 <= correct <= n`` and ``n >= 1``.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"no share of {correct} out of {n}")
    share = correct / n
    centre = share + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    # The formula meets 0 and 1 exactly at the ends; rounding must not leave the point estimate outside.
    low = 0.0 if correct == 0 else (centre - half) / scale
    high = 1.0 if correct == n else (centre + half) / scale
    return low, high


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


def minimum_detectable(n: int, discordant_share: float) -> float | None:
    """The smallest difference, in percentage points, that ``n`` paired questions show with 80% power at the 5% level.

    ``discordant_share`` is the share of questions, above 0 and at most 1, on which exactly one model is correct; a
    difference cannot exceed it, so None where even the largest would be missed.
    R. J. Connor (1987), Sample size for testing differences in proportions for the paired-sample design, Biometrics 43.
    """
    if n < 1 or not 0 < discordant_share <= 1:
        raise ValueError(f"no power to work out for {n} questions and a discordant share of {discordant_share}")
    # Connor's n = (z_a sqrt(s) + z_b sqrt(s - d^2))^2 / d^2, solved for d.
    radicand = n - Z95**2 + Z80_POWER**2
    if radicand < 0:
        return None
    root = math.sqrt(n) * Z95 + Z80_POWER * math.sqrt(radicand)
    share = math.sqrt(discordant_share) * root / (n + Z80_POWER**2)
    return 100 * share if share <= discordant_share else None


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
