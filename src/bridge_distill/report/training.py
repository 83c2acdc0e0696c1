"""The loss curves of every model that a run and its arms trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_distill.report.folder import RunFolder

Curve = list[tuple[float, float]]


def curves(run: RunFolder) -> dict[str, Curve]:
    """Loss by step of each trained model, its phases end to end; an arm's only where it trained its own."""
    own = {"Assistant": "assistant", "Writer of questions": "questions/tune", "Student": "student"}
    trained: list[tuple[str, str, str | None]] = [(label, stage, None) for label, stage in own.items()]
    for arm in run.arms:
        trained += [
            (f"Arm “{arm}”: {stage}", stage, arm) for stage in ("assistant", "student") if not run.shares(stage, arm)
        ]
    found = {label: run.figures(stage, arm) for label, stage, arm in trained}
    return {
        f"{label}{f', {phase}' if phase else ''}": curve
        for label, figures in found.items()
        for phase, curve in _end_to_end(figures)
    }


def _end_to_end(figures: dict[str, Any]) -> list[tuple[str, Curve]]:
    phases = figures.get("phases")
    if phases is None:
        curve = _curve(figures.get("losses") or [], 0)
        return [("", curve)] if curve else []
    placed, start = [], 0
    for phase in phases:
        placed.append((phase["name"], _curve(phase["losses"], start)))
        start += phase["steps"]
    return [(name, curve) for name, curve in placed if curve]


def _curve(losses: Sequence[Sequence[float]], start: int) -> Curve:
    return [(start + step, loss) for step, loss in losses]
