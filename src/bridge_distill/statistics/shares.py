"""Wilson's interval of a share."""

from __future__ import annotations

import math
from statistics import NormalDist

Z95 = NormalDist().inv_cdf(0.975)


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
