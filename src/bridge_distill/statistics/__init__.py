"""How sure an accuracy, or the difference of two, is: intervals, tests, and the power to see one.

Shares and pairs of one test stand in ``shares``, ``paired`` and ``power``; several seeds in ``crossed`` and
``estimates``, many comparisons in ``holm``.
"""

from bridge_distill.statistics.estimates import Estimate, accuracy, closed, difference, ratio
from bridge_distill.statistics.holm import holm
from bridge_distill.statistics.paired import Difference, paired_difference
from bridge_distill.statistics.power import minimum_detectable
from bridge_distill.statistics.shares import interval

__all__ = [
    "Difference",
    "Estimate",
    "accuracy",
    "closed",
    "difference",
    "holm",
    "interval",
    "minimum_detectable",
    "paired_difference",
    "ratio",
]
