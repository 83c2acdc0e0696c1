"""What the rounds so far say of the next: a point a round, the curve through them, advice, whether to stop paying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill import artifacts
from bridge_distill.engine.stage import write_json
from bridge_distill.learning_curve import Curve, Estimate, fit
from bridge_distill.records import Verdict
from bridge_distill.statistics import interval

UNKNOWN = (
    "How accuracy grows with more replies cannot be told: that takes two rounds that learnt from different numbers."
)
_BAND = 25


@dataclass(frozen=True)
class Point:
    """A round: replies bought by its end and what they cost, rationales learnt from, held-out questions answered."""

    replies: int
    usd: float
    learnt: int
    asked: int
    correct: int
    low: float
    high: float


@dataclass(frozen=True)
class Next:
    """Another batch of the average size: its cost and what it is predicted to add, in percentage points."""

    replies: int
    usd: float
    learnt: float
    points: Estimate

    @property
    def points_per_usd(self) -> float | None:
        """Points that a dollar is predicted to add; None where replies cost nothing."""
        return self.points.value / self.usd if self.usd else None


def curve(rounds: Sequence[tuple[Path, Path]], stop_below: float | None, folder: Path, seed: int) -> dict[str, Any]:
    """Write ``artifacts.CURVE`` for rounds in order, each a teach folder and one of held-out verdicts; returns figures.

    With ``stop_below`` (points a dollar) it says whether to stop paying: where the point estimate is below.
    """
    graded = [artifacts.verdicts(held_out) for _, held_out in rounds]
    points = [_point(teach, verdicts) for (teach, _), verdicts in zip(rounds, graded, strict=True)]
    learnt = np.array([point.learnt for point in points], dtype=np.float64)
    fitted = None
    if len(set(learnt)) > 1:
        fitted = fit(learnt, np.array([[row.correct for row in verdicts] for verdicts in graded]).T, seed)
    more = None if fitted is None else _next(points, fitted)
    found = {
        "points": [asdict(point) for point in points],
        "slope": None if fitted is None else asdict(fitted.slope),
        "next": None if more is None else {**asdict(more), "points_per_usd": more.points_per_usd},
        "band": [] if fitted is None or more is None else _band(fitted, learnt.min(), more.learnt),
        "advice": UNKNOWN if more is None else advice(more),
        "stop": None if more is None else _stop(more, stop_below),
    }
    write_json(folder / artifacts.CURVE, found)
    return {"accuracy": points[-1].correct / points[-1].asked, "advice": found["advice"], "stop": found["stop"]}


def _point(teach: Path, verdicts: Sequence[Verdict]) -> Point:
    replies = artifacts.replies(teach)
    correct = sum(verdict.correct for verdict in verdicts)
    return Point(
        replies=len(replies),
        usd=sum(reply.usd_micros for reply in replies) / 1e6,
        learnt=sum(rationale.kept for rationale in artifacts.rationales(teach)),
        asked=len(verdicts),
        correct=correct,
        **dict(zip(("low", "high"), interval(correct, len(verdicts)), strict=True)),
    )


def _next(points: Sequence[Point], fitted: Curve) -> Next:
    last = points[-1]
    batch = max(1, round(last.replies / len(points)))
    learnt = last.learnt * (last.replies + batch) / last.replies
    return Next(batch, last.usd / last.replies * batch, learnt, fitted.gain(last.learnt, learnt))


def _band(fitted: Curve, first: float, last: float) -> list[dict[str, float]]:
    places: NDArray[np.float64] = np.geomspace(first, last, _BAND)
    return [{"learnt": float(n), **asdict(fitted.at(n))} for n in places]


def advice(more: Next) -> str:
    """One sentence, as sure as the interval allows and no surer."""
    points = more.points
    size = "Another reply" if more.replies == 1 else f"Another {more.replies} replies"
    verb = "is" if more.replies == 1 else "are"
    cost = f" (${more.usd:.4f})" if more.usd else ""
    gain = f"{points.value:.1f} points [{points.low:.1f}, {points.high:.1f}]"
    sentence = f"{size}{cost} {verb} predicted to add {gain}"
    if points.low <= 0 <= points.high:
        return f"{sentence}: not resolved."
    if points.high < 0:
        return f"{sentence}: more of these replies would do harm."
    return f"{sentence}{f', {more.points_per_usd:.0f} points a dollar' if more.usd else ''}."


def _stop(more: Next, stop_below: float | None) -> str | None:
    worth = more.points_per_usd
    if stop_below is None or worth is None or worth >= stop_below:
        return None
    return f"a predicted gain of {worth:.4g} points a dollar is under select.stop_below ({stop_below:g})"
