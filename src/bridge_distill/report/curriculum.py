"""The curriculum of each student as a timeline: what every phase read, and how its loss fell meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.figures import GREY, LEGEND, PALETTE, as_json, label
from bridge_distill.report.folder import RunFolder

# A narrower phase has no room for its name above the figure; it is in the table, and under the pointer.
_NAMED_FROM = 0.1
_DASHES = ("solid", "dash", "dot")


@dataclass(frozen=True)
class Phase:
    """One phase: where on the axis of real tokens it starts, what it took, and its loss as (tokens read, nats)."""

    name: str
    start: int
    tokens: int
    steps: int
    examples: int
    too_long: int
    losses: list[tuple[float, float]]

    def row(self) -> list[str]:
        """The phase as cells of a table."""
        ends = [f"{loss:.3f}" for _, loss in (self.losses[0], self.losses[-1])] if self.losses else ["", ""]
        counts = [words.count(value) for value in (self.examples, self.too_long, self.steps, self.tokens)]
        return [self.name, *counts, *ends]


@dataclass(frozen=True)
class Curriculum:
    """The phases of one student, of the run or of an arm that taught its own."""

    label: str
    phases: list[Phase]

    @property
    def tokens(self) -> int:
        """Real tokens read in all phases."""
        return self.phases[-1].start + self.phases[-1].tokens


def curricula(run: RunFolder) -> list[Curriculum]:
    """The student of the run, then those of arms; one that an arm shares with the run is told once."""
    students: list[tuple[str, str | None]] = [("Student", None)]
    students += [(f"Arm “{arm}”", arm) for arm in run.arms if not run.shares("student", arm)]
    found = ((name, run.figures("student", arm).get("phases")) for name, arm in students)
    return [Curriculum(name, _phases(phases)) for name, phases in found if phases]


def plots(found: Sequence[Curriculum]) -> dict[str, Any]:
    """The timeline's figure by its name; none where no student has been taught."""
    return {"curriculum": timeline(found)} if found else {}


def timeline(found: Sequence[Curriculum]) -> dict[str, Any]:
    """Loss over real tokens, a line a student; a short stroke stands where a phase begins."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for index, each in enumerate(found):
        again, one = divmod(index, len(PALETTE))
        line = {"color": PALETTE[one], "width": 2, "dash": _DASHES[again % len(_DASHES)]}
        x, y, names = _line(each)
        hover = "%{x:,.0f} tokens: %{y:.3f}<br>%{text}"
        figure.add_scatter(x=x, y=y, text=names, name=label(each.label), mode="lines", line=line, hovertemplate=hover)
        begun = [phase for phase in each.phases[1:] if phase.losses]
        stroke = {"symbol": "line-ns-open", "size": 16, "color": line["color"], "line": {"width": 2}}
        figure.add_scatter(
            x=[phase.losses[0][0] for phase in begun],
            y=[phase.losses[0][1] for phase in begun],
            text=[label(f"{phase.name} begins") for phase in begun],
            mode="markers",
            marker=stroke,
            showlegend=False,
            hovertemplate="%{text}<extra></extra>",
        )
    _mark(figure, found)
    axis = {"title": {"text": "real tokens read"}, "rangemode": "tozero", "fixedrange": True}
    loss = {"title": {"text": "loss"}, "rangemode": "tozero", "fixedrange": True}
    figure.update_layout(height=380, xaxis=axis, yaxis=loss, legend={**LEGEND, "y": 1.08}, hovermode="closest")
    return as_json(figure, top=64)


def _mark(figure: Any, found: Sequence[Curriculum]) -> None:
    """A dashed line and a name where each phase of the first student begins."""
    width = max(each.tokens for each in found)
    for phase in found[0].phases:
        if phase.start:
            figure.add_vline(phase.start, line={"dash": "dot", "width": 1, "color": GREY})
        if phase.tokens >= _NAMED_FROM * width:
            figure.add_annotation(
                x=phase.start,
                y=1,
                yref="paper",
                xanchor="left",
                yanchor="bottom",
                text=label(phase.name),
                showarrow=False,
            )


def _line(each: Curriculum) -> tuple[list[float | None], list[float | None], list[str]]:
    """The points of all phases, with a gap between each two."""
    x: list[float | None] = []
    y: list[float | None] = []
    names: list[str] = []
    for phase in each.phases:
        x += [*(tokens for tokens, _ in phase.losses), None]
        y += [*(loss for _, loss in phase.losses), None]
        names += [label(phase.name)] * (len(phase.losses) + 1)
    return x, y, names


def _phases(told: Sequence[dict[str, Any]]) -> list[Phase]:
    found: list[Phase] = []
    start = 0
    for each in told:
        # Steps hold nearly equal numbers of tokens, so that a step's place among them is read off in proportion.
        one = each["tokens"] / max(each["steps"], 1)
        losses = [(start + one * step, loss) for step, loss in each["losses"]]
        counts = {name: each[name] for name in ("tokens", "steps", "examples", "too_long")}
        found.append(Phase(each["name"], start, losses=losses, **counts))
        start += each["tokens"]
    return found
