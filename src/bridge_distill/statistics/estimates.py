"""What arms of a study come to, each with a 95% interval over seeds and questions.

Every table has the shape (seeds, questions) and is True where that seed's student was right; two tables are paired cell
by cell. All figures are shares from 0 to 1. A smooth function of means is treated through its linear part, the delta
method, in which each cell stands for what it adds to the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.statistics.crossed import Spread
from bridge_distill.statistics.paired import paired_difference
from bridge_distill.statistics.shares import interval

Table = NDArray[np.bool_]
Groups = NDArray[np.int64] | None
# One study in five strays this far towards 0, and one in five as far from it.
MISSED = 0.4


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval.

    A difference also has the two-sided ``p`` of no difference, and in ``detectable`` the smallest one that four of
    five such studies would show; None where it cannot be said.
    """

    value: float
    low: float
    high: float
    p: float | None = None
    detectable: float | None = None


def accuracy(right: Table, groups: Groups = None) -> Estimate:
    """The share of right answers. One seed without groups has Wilson's interval, which knows of no other seeds."""
    value = float(right.mean())
    spread = Spread.of(right.astype(np.float64), groups)
    if spread.none or (spread.seeds == 1 and groups is None):
        return Estimate(value, *interval(round(value * spread.units), spread.units))
    half = spread.half()
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def difference(one: Table, other: Table, groups: Groups = None) -> Estimate:
    """One's accuracy minus the other's. One seed without groups has Newcombe's interval and McNemar's exact p."""
    _check(one, other)
    table = one.astype(np.float64) - other
    spread, value = Spread.of(table, groups), float(table.mean())
    if spread.none:
        found = paired_difference(one[0], other[0])
        return Estimate(value, found.low / 100, found.high / 100, found.p)
    half = spread.half()
    detectable = half + spread.half(MISSED)
    if spread.seeds == 1 and groups is None:
        found = paired_difference(one[0], other[0])
        return Estimate(value, found.low / 100, found.high / 100, found.p, detectable)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), spread.p(value), detectable)


def ratio(one: Table, other: Table, groups: Groups = None) -> Estimate | None:
    """How many times the other's accuracy one's is; None where either is never right, or the two always agree."""
    _check(one, other)
    if not one.any() or not other.any():
        return None
    spread = Spread.of(one / one.mean() - other / other.mean(), groups)
    if spread.none:
        return None
    value, half = float(one.mean() / other.mean()), spread.half()
    return Estimate(value, value * math.exp(-half), value * math.exp(half))


def closed(right: Table, start: Table, goal: float, groups: Groups = None) -> Estimate | None:
    """The share of the way from the accuracy of ``start`` to ``goal``, taken as exact, that an arm has gone.

    None where the goal is not above the start, or nothing differs.
    """
    _check(right, start)
    way = goal - float(start.mean())
    if way <= 0:
        return None
    value = float(right.mean() - start.mean()) / way
    spread = Spread.of((right - (1 - value) * start) / way, groups)
    if spread.none:
        return None
    half = spread.half()
    return Estimate(value, value - half, value + half)


def _check(one: Table, other: Table) -> None:
    if one.ndim != 2 or one.shape != other.shape or one.size == 0:
        raise ValueError(f"cannot pair answers of shapes {one.shape} and {other.shape}")
