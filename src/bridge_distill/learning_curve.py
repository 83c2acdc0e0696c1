"""How accuracy grows with what was learnt from, and what the next batch is predicted to add.

logit(accuracy) = a + b log(n): a power law of the odds, the simplest curve that stays within 0..1; of learning curves
in general see Viering and Loog 2023, The Shape of Learning Curves, IEEE TPAMI 45. Fitted by binomial maximum
likelihood with Firth's penalty (Firth 1993, Bias reduction of maximum likelihood estimates, Biometrika 80), since the
plain estimate is infinite where every answer at a point is right, or every one wrong. b may be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_STEPS = 200
_LONGEST = 1.0
_CLOSE = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A fitted curve: a and b of standardised log(n) in ``coefficients`` (2,), for ``resampled`` questions (m, 2)."""

    centre: float
    scale: float
    coefficients: NDArray[np.float64]
    resampled: NDArray[np.float64]

    @property
    def slope(self) -> Estimate:
        """What one more in log(n) adds to the log odds."""
        return _estimate(self.coefficients[1:] / self.scale, self.resampled[:, 1] / self.scale)

    def at(self, n: float) -> Estimate:
        """The accuracy after learning from ``n``, a share from 0 to 1."""
        return _estimate(self._accuracy(self.coefficients[None], n), self._accuracy(self.resampled, n))

    def gain(self, n: float, more: float) -> Estimate:
        """What learning from ``more`` instead of ``n`` adds to the accuracy, in percentage points."""
        both = (self.coefficients[None], self.resampled)
        one, many = (100 * (self._accuracy(of, more) - self._accuracy(of, n)) for of in both)
        return _estimate(one, many)

    def _accuracy(self, coefficients: NDArray[np.float64], n: float) -> NDArray[np.float64]:
        return _share(coefficients[:, 0] + coefficients[:, 1] * (np.log(n) - self.centre) / self.scale)


def fit(learnt: NDArray[np.float64], correct: NDArray[np.bool_], seed: int, resamples: int = RESAMPLES) -> Curve:
    """Fit a curve to what the same questions got right at each point.

    ``learnt`` (points,) is what each point's model learnt from, above 0; ``correct`` (questions, points). Intervals
    come from whole questions drawn again with all their points, so that the points' dependence is kept. Four half
    questions (always right, always wrong, right only early, only late) join the draw: a bootstrap of answers that
    never differ would else be sure of what so few questions cannot show (the idea of Agresti and Min 2005, Simple
    improved confidence intervals for comparing matched proportions, Statistics in Medicine 24). Raises ``ValueError``
    for fewer than two distinct values of ``learnt``.
    """
    n, points = correct.shape
    if learnt.shape != (points,) or n < 1 or len(np.unique(learnt)) < 2 or learnt.min() <= 0:
        raise ValueError(f"no curve through {learnt.tolist()} and answers of shape {correct.shape}")
    centre, scale = float(np.log(learnt).mean()), float(np.log(learnt).std())
    x = (np.log(learnt) - centre) / scale
    late = np.argsort(np.argsort(learnt, kind="stable")) >= points / 2
    patterns = np.concatenate([correct, [np.ones(points), np.zeros(points), ~late, late]])
    chance = np.concatenate([np.ones(n), np.full(4, 0.5)])
    draws = np.random.default_rng(seed).multinomial(n, chance / chance.sum(), size=resamples)
    return Curve(centre, scale, firth(x, correct.sum(axis=0)[None], n)[0], firth(x, draws @ patterns, n))


def firth(x: NDArray[np.float64], right: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Coefficients (fits, 2) of logistic regressions on ``x`` (points,): ``right`` (fits, points) of ``n`` each.

    Fisher scoring of the score that Firth's penalty modifies, by half steps of at most ``_LONGEST``, since whole ones
    can swing around the answer of very few questions.
    """
    found = np.zeros((len(right), 2))
    for _ in range(_STEPS):
        share = _share(found[:, :1] + found[:, 1:] * x)
        weight = n * share * (1 - share)
        s0, s1, s2 = weight.sum(1), (weight * x).sum(1), (weight * x * x).sum(1)
        # Where one point has nearly all the weight, rounding must not turn the step around.
        determinant = np.maximum(s0 * s2 - s1**2, 1e-12 * s0 * s2)
        leverage = weight * (s2[:, None] - 2 * s1[:, None] * x + s0[:, None] * x * x) / determinant[:, None]
        score = right - n * share + leverage * (0.5 - share)
        u0, u1 = score.sum(1), (score * x).sum(1)
        step = np.stack([s2 * u0 - s1 * u1, s0 * u1 - s1 * u0], axis=1) / determinant[:, None]
        length = np.abs(step).max(axis=1, keepdims=True)
        found += step / np.maximum(2, length / _LONGEST)
        if length.max() < _CLOSE:
            break
    return found


def _share(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    # Beyond 30 the share is 0 or 1 to the last digits that matter, and its weight would vanish.
    share: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
    return share


def _estimate(value: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(value[0]), float(low), float(high))
