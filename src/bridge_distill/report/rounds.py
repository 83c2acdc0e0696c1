"""What each round of buying brought, and the learning curve through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge_distill import artifacts
from bridge_distill.report import words
from bridge_distill.report.figures import BLUE, LEGEND, as_json, error_bars
from bridge_distill.report.folder import RunFolder


@dataclass(frozen=True)
class Rounds:
    """The rounds of a run, or of an arm that bought in its own: table rows, the name of the plot, sentences."""

    arm: str | None
    rows: list[list[str]]
    plot: str
    advice: str
    stopped: str | None


def latest_curve(run: RunFolder, arm: str | None = None) -> dict[str, Any]:
    """What the last curve stage found that was not skipped; empty where there is none, or it is the run's own."""
    for stage in reversed(run.stages(arm)):
        own = arm is None or not run.shares(stage, arm)
        if stage.split("/")[-1] == "curve" and own and "skipped" not in run.record(stage, arm):
            folder = run.folder(stage, arm)
            if folder is not None:
                return artifacts.curve(folder)
    return {}


def rounds(summary: dict[str, Any]) -> list[Rounds]:
    """The run and each arm of a summary that bought in rounds."""
    return [
        Rounds(arm, _rows(curve["points"]), plot, curve["advice"], curve["stop"])
        for arm, plot, curve in _curves(summary)
    ]


def plots(summary: dict[str, Any]) -> dict[str, Any]:
    """The figure of each of ``rounds``, by name."""
    return {plot: _figure(curve) for _, plot, curve in _curves(summary)}


def _curves(summary: dict[str, Any]) -> list[tuple[str | None, str, dict[str, Any]]]:
    """The arm (None for the run itself), the plot's name and the curve of each that bought in rounds."""
    arms = {key: arm.get("rounds") for key, arm in summary.get("arms", {}).items()}
    found = [(arm, curve) for arm, curve in {None: summary.get("rounds"), **arms}.items() if curve]
    return [(arm, f"rounds-{number}", curve) for number, (arm, curve) in enumerate(found)]


def _rows(points: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            str(number),
            words.count(point["replies"]),
            words.money(f"{point['usd']:.6f}"),
            words.count(point["learnt"]),
            f"{words.count(point['correct'])} of {words.count(point['asked'])}",
            f"{100 * point['correct'] / point['asked']:.1f}%",
            f"{words.percent(point['low'])} to {words.percent(point['high'])}",
        ]
        for number, point in enumerate(points, start=1)
    ]


def _figure(curve: dict[str, Any]) -> dict[str, Any]:
    """The fitted curve in its band, up to what the next batch would bring, and the points with their intervals."""
    from plotly import graph_objects as go

    figure, band = go.Figure(), curve["band"]
    learnt = [place["learnt"] for place in band]
    for edge, fill in (("low", None), ("high", "tonexty")):
        figure.add_scatter(
            x=learnt,
            y=[round(100 * place[edge], 3) for place in band],
            mode="lines",
            line={"width": 0, "color": BLUE},
            fill=fill,
            fillcolor="rgba(58, 127, 196, 0.2)",
            showlegend=False,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=learnt,
        y=[round(100 * place["value"], 3) for place in band],
        mode="lines",
        name="fitted, and predicted for the next batch",
        line={"color": BLUE, "width": 2},
        hovertemplate="%{y:.1f}% predicted after %{x:.0f}<extra></extra>",
    )
    _add_points(figure, curve["points"])
    figure.update_layout(
        height=320,
        xaxis={"title": {"text": "explanations learnt from"}, "rangemode": "tozero", "fixedrange": True},
        yaxis={"title": {"text": "held-out accuracy"}, "ticksuffix": "%", "range": [0, 102], "fixedrange": True},
        legend=LEGEND,
    )
    return as_json(figure, top=40)


def _add_points(figure: Any, points: list[dict[str, Any]]) -> None:
    shares = [100 * point["correct"] / point["asked"] for point in points]
    figure.add_scatter(
        x=[point["learnt"] for point in points],
        y=shares,
        mode="markers",
        name="measured after a round",
        marker={"color": BLUE, "size": 9},
        error_y=error_bars(points, shares),
        hovertemplate="%{y:.1f}% after %{x}<extra></extra>",
    )
