"""What each guide brought for the tokens that it spent, beside the answers without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge_distill import artifacts
from bridge_distill.report import words
from bridge_distill.report.figures import BLUE, GREY, as_json, error_bars
from bridge_distill.report.folder import EVALUATE, MODELS, RunFolder, contexts_of
from bridge_distill.report.scores import Contexts, difference, scores

GUIDE = "guide/"
ACTS = {
    "strategy": "strategies given",
    "cue": "told to think on",
    "answer": "made to answer",
    "retry": "steps drawn again",
    "result": "results stated",
    "vote": "first samples outvoted",
}


@dataclass(frozen=True)
class Guides:
    """The guides of a run, or of an arm that tested its own: whom they guided, table rows, the name of the plot."""

    arm: str | None
    model: str
    rows: list[list[str]]
    plot: str


def under_guides(run: RunFolder, arm: str | None = None) -> dict[str, Any]:
    """The guided model, its own answers and those under each guide; empty where none is tested, or it is the run's."""
    stages = [stage for stage in run.stages(arm) if stage.startswith(GUIDE) and run.folder(stage, arm) is not None]
    if not stages or (arm is not None and all(run.shares(stage, arm) for stage in stages)):
        return {}
    inputs = run.record(stages[0], arm).get("inputs", {})
    model = next((name for name in MODELS if name in inputs), "base")
    folder = run.folder(EVALUATE + model, arm)
    plain = [] if folder is None else artifacts.verdicts(folder)
    contexts = contexts_of(run, arm)
    found = [{"name": None, **_costs(plain, contexts)}] if plain else []
    for stage in stages:
        place = run.folder(stage, arm)
        assert place is not None  # of the stages that have one
        verdicts = artifacts.verdicts(place)
        acts = run.figures(stage, arm).get("acts", {})
        row = {"name": stage.removeprefix(GUIDE), **_costs(verdicts, contexts), "acts": acts}
        found.append({**row, "difference": difference(verdicts, plain, contexts)})
    return {"model": model, "answers": found}


def guides(summary: dict[str, Any]) -> list[Guides]:
    """The run and each arm of a summary that tested guides."""
    return [
        Guides(arm, found["model"], [_row(row) for row in found["answers"]], plot)
        for arm, plot, found in _tested(summary)
    ]


def plots(summary: dict[str, Any]) -> dict[str, Any]:
    """The figure of each of ``guides``, by name."""
    return {plot: _figure(found["answers"]) for _, plot, found in _tested(summary)}


def _costs(verdicts: list[Any], contexts: Contexts) -> dict[str, Any]:
    found = scores(verdicts, contexts)
    return {**found, "tokens_each": found["tokens"] / found["n"]}


def _tested(summary: dict[str, Any]) -> list[tuple[str | None, str, dict[str, Any]]]:
    arms = {key: arm.get("guides") for key, arm in summary.get("arms", {}).items()}
    found = [(arm, tested) for arm, tested in {None: summary.get("guides"), **arms}.items() if tested]
    return [(arm, f"guides-{number}", tested) for number, (arm, tested) in enumerate(found)]


def _row(row: dict[str, Any]) -> list[str]:
    return [
        _name(row),
        f"{row['tokens_each']:.1f}",
        f"{words.count(row['correct'])} of {words.count(row['n'])}",
        f"{100 * row['accuracy']:.1f}%",
        f"{words.percent(row['low'])} to {words.percent(row['high'])}",
        _gap(row.get("difference")),
        "; ".join(f"{words.count(number)} {ACTS[act]}" for act, number in row.get("acts", {}).items() if number),
    ]


def _name(row: dict[str, Any]) -> str:
    return "without any of these" if row["name"] is None else str(row["name"])


def _gap(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = words.points(found["low"]), words.points(found["high"])
    doubt = "" if found["resolved"] else ", not resolved"
    return f"{words.points(found['points'])} [{low}, {high}]{doubt}"


def _figure(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy against the tokens written for a question, joined in the order of cost."""
    from plotly import graph_objects as go

    ordered = sorted(rows, key=lambda row: (row["tokens_each"], _name(row)))
    shares = [100 * row["accuracy"] for row in ordered]
    figure = go.Figure()
    figure.add_scatter(
        x=[round(row["tokens_each"], 2) for row in ordered],
        y=shares,
        mode="lines+markers+text",
        text=[words.excerpt(_name(row), 24) for row in ordered],
        textposition="top center",
        line={"color": GREY, "width": 1, "dash": "dot"},
        marker={"color": [GREY if row["name"] is None else BLUE for row in ordered], "size": 10},
        error_y=error_bars(ordered, shares),
        hovertemplate="%{text}: %{y:.1f}% at %{x:.1f} tokens a question<extra></extra>",
    )
    figure.update_layout(
        height=340,
        xaxis={"title": {"text": "tokens written for a question"}, "rangemode": "tozero", "fixedrange": True},
        yaxis={"title": {"text": "accuracy"}, "ticksuffix": "%", "range": [0, 108], "fixedrange": True},
        showlegend=False,
    )
    return as_json(figure, top=20)
