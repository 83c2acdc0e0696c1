"""The smallest difference of two models that a number of questions shows reliably."""

from __future__ import annotations

import math
from statistics import NormalDist

from bridge_distill.statistics.shares import Z95

Z80_POWER = NormalDist().inv_cdf(0.8)


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
