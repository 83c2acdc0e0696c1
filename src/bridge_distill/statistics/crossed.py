"""How far the mean of a table, seeds by questions, strays: another study would draw other seeds and other questions.

Every seed answers the same questions, so the table is crossed, not nested, and its mean has the variance
``(seeds + questions - rest) / size`` of the three mean squares of a two-way layout. Few seeds say little of how much
seeds matter: their mean square is averaged over its chi-square distribution, as Student's t does for one variance and
the Behrens-Fisher solution for two; R. A. Fisher (1935), Annals of Eugenics 6, in the form of S. Weerahandi (1993),
Generalized confidence intervals, JASA 88. What else was tried, and how it fared, stands in ``docs/statistics.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

NODES = 100
# The mean squares are noisy: seeds that agree by chance take away no more than half of what the others say.
LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean squares of a table of ``seeds`` by ``units``, which are questions or groups of them.

    With one seed ``by_seed`` and ``rest`` are 0, and nothing is known of other seeds.
    """

    seeds: int
    units: int
    by_seed: float
    by_unit: float
    rest: float

    @classmethod
    def of(cls, table: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> Spread:
        """The spread of the mean of a table of shape (seeds, questions).

        ``groups`` of shape (questions,) number the context of each, which errors are clustered by: sums over a group
        stand for its questions. K.-Y. Liang and S. L. Zeger (1986), Biometrika 73; for tests of models E. Miller
        (2024), arXiv 2411.00640.
        """
        centred = _by_group(table - table.mean(), groups)
        seeds, units = centred.shape
        row, column = centred.mean(1), centred.mean(0)
        rest = centred - row[:, None] - column
        few, many = max(seeds - 1, 1), max(units - 1, 1)
        return cls(
            seeds,
            units,
            units * float(row @ row) / few,
            seeds * float(column @ column) / many,
            float(np.sum(rest**2)) / (few * many),
        )

    @property
    def none(self) -> bool:
        """Whether all cells are alike, so that the table says nothing of its own spread."""
        return max(self.by_seed, self.by_unit, self.rest) <= 1e-12

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(float(self._variances(np.ones(1))[0]))

    def p(self, distance: float) -> float:
        """How often the mean of another table strays at least so far from the truth, to either side."""
        from scipy.special import stdtr

        inflations, likely = _inflations(self.seeds)
        far = -abs(distance) / np.sqrt(self._variances(inflations))
        return float(2 * likely @ stdtr(max(self.units - 1, 1), far))

    def half(self, level: float = 0.05) -> float:
        """The distance that only the share ``level`` of means strays further than: half of a confidence interval."""
        from scipy.optimize import brentq

        high = self.error
        while self.p(high) > level:
            high *= 2
        return float(brentq(lambda distance: self.p(distance) - level, 0.0, high, xtol=1e-4 * self.error))

    def _variances(self, inflations: NDArray[np.float64]) -> NDArray[np.float64]:
        """The variance of the mean for each value that the mean square of seeds may have had."""
        strayed = self.by_unit + self.by_seed * inflations - self.rest
        return np.maximum(strayed, LEAST * max(self.by_unit, self.rest)) / (self.seeds * self.units)


def _by_group(table: NDArray[np.float64], groups: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Sums over groups, scaled so that their mean is that of the questions."""
    if groups is None:
        return table
    _, place = np.unique(groups, return_inverse=True)
    summed = np.zeros((place.max() + 1, len(table)))
    np.add.at(summed, place, table.T)
    return np.asarray(summed.T * (len(summed) / len(place)))


@lru_cache
def _inflations(seeds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a mean square of seeds is multiplied by, at places of its distribution, and how likely each is.

    The places lie densest where it was small by chance, which the smallest p-values hang on.
    """
    from scipy.stats import chi2

    if seeds == 1:
        return np.ones(1), np.ones(1)
    steps = (np.arange(NODES) + 0.5) / NODES
    likely = 3 * steps**2
    return np.asarray((seeds - 1) / chi2.ppf(steps**3, seeds - 1)), likely / likely.sum()
