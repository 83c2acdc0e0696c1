"""A study's figures: the frontier of accuracy against what the teacher cost, and paired differences as a forest."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.figures import BLUE, GREEN, GREY, LEGEND, ORANGE, PALETTE, PURPLE, as_json, error_bars
from bridge_distill.report.study.words import verdict

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "triangle-down", "x")
# Dashed lines are the levels'.
DASHES = ("solid", "dot", "dashdot")
# An arm that asks nothing has no place on a logarithmic axis: it stands left of all that does.
APART = 3.0


def plots(summary: dict[str, Any]) -> dict[str, Any]:
    """The frontier by queries and by USD, and the forest of each data set, by name."""
    arms = list(dict.fromkeys(row["arm"] for found in summary["sets"].values() for row in found["arms"]))
    made: dict[str, Any] = {}
    for number, found in enumerate(summary["sets"].values()):
        made[f"frontier-{number}"] = _frontier(found, arms, _queries, "teacher queries", words.count)
        if any(_usd(row) for row in found["arms"]):
            made[f"money-{number}"] = _frontier(found, arms, _usd, "USD paid to the teacher", _dollars)
        if any(row["difference"] for row in found["arms"]):
            made[f"forest-{number}"] = _forest(found["arms"], summary["reference"])
    return made


def _queries(row: dict[str, Any]) -> float:
    return float(row["ledger"]["calls"])


def _usd(row: dict[str, Any]) -> float:
    return float(row["ledger"]["usd"])


def _dollars(value: float) -> str:
    return words.money(f"{value:.6f}")


def _frontier(
    found: dict[str, Any],
    arms: Sequence[str],
    cost: Callable[[dict[str, Any]], float],
    title: str,
    told: Callable[[float], str],
) -> dict[str, Any]:
    """Accuracy with intervals over cost, one line an arm; lines of the majority, the untuned base and the teacher."""
    from plotly import graph_objects as go

    paid = [cost(row) for row in found["arms"] if cost(row) > 0]
    free = min(paid) / APART if paid else 1.0
    figure = go.Figure()
    for number, arm in enumerate(arms):
        rows = sorted((row for row in found["arms"] if row["arm"] == arm), key=cost)
        if rows:
            figure.add_scatter(
                x=[cost(row) or free for row in rows], **_line(rows, arm, number, [told(cost(row)) for row in rows])
            )
    _add_levels(figure, found)
    figure.update_layout(
        height=400,
        xaxis=_log_axis(paid, free if any(cost(row) == 0 for row in found["arms"]) else None, title, told),
        yaxis={"title": {"text": "accuracy"}, "ticksuffix": "%", "range": _reach(found), "fixedrange": True},
        legend=LEGEND,
    )
    return as_json(figure, top=64, right=24)


def _line(rows: Sequence[dict[str, Any]], arm: str, number: int, costs: list[str]) -> dict[str, Any]:
    shares = [100 * row["accuracy"]["value"] for row in rows]
    again, one = divmod(number, len(PALETTE))
    return {
        "y": shares,
        "name": html.escape(words.excerpt(arm, 30)),
        "mode": "lines+markers",
        "line": {"color": PALETTE[one], "width": 2, "dash": DASHES[again % len(DASHES)]},
        # A colour that comes again has another symbol, for an arm of one budget has no line.
        "marker": {"symbol": SYMBOLS[(one + again) % len(SYMBOLS)], "size": 10},
        "error_y": error_bars([row["accuracy"] for row in rows], shares),
        "text": [html.escape(row["budget"]) for row in rows],
        "customdata": costs,
        "hovertemplate": "%{y:.1f}% at %{text} (%{customdata})",
    }


def _add_levels(figure: Any, found: dict[str, Any]) -> None:
    looks = {
        "most frequent answer": (PURPLE, "bottom right"),
        "untuned base": (GREY, "bottom left"),
        "teacher": (GREEN, "top left"),
    }
    for name, level in _levels(found).items():
        colour, place = looks[name]
        line = {"dash": "dash", "width": 1.5, "color": colour}
        figure.add_hline(100 * level, line=line, annotation={"text": name}, annotation_position=place)


def _levels(found: dict[str, Any]) -> dict[str, float]:
    base = None if found["base"] is None else found["base"]["value"]
    levels = {"most frequent answer": found["majority"], "untuned base": base, "teacher": found["teacher"]}
    return {name: level for name, level in levels.items() if level is not None}


def _reach(found: dict[str, Any]) -> list[float]:
    """The accuracies to draw, in per cent: every interval and level, with room for the levels' names."""
    ends = [row["accuracy"][end] for row in found["arms"] for end in ("low", "high")]
    ends += _levels(found).values()
    return [max(100 * min(ends) - 8, -6), min(100 * max(ends) + 8, 106)]


def _log_axis(paid: Sequence[float], free: float | None, title: str, told: Callable[[float], str]) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5 times powers of ten, and one for nothing at its left end."""
    axis: dict[str, Any] = {"title": {"text": title}, "type": "log", "fixedrange": True}
    if not paid:
        return axis | {"tickvals": [free], "ticktext": ["0"]}
    low, high = math.floor(math.log10(min(paid))), math.ceil(math.log10(max(paid)))
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 1) for step in steps]
    ticks = [tick for tick in ticks if min(paid) / 1.5 <= tick <= max(paid) * 1.5] or sorted(set(paid))
    texts = [told(tick) for tick in ticks]
    if free is not None:
        ticks, texts = [free, *ticks], ["0", *texts]
    return axis | {"tickvals": ticks, "ticktext": texts, "tickangle": 0}


def _forest(rows: Sequence[dict[str, Any]], reference: str) -> dict[str, Any]:
    """Differences to the reference in points with intervals: filled where resolved, hollow where not."""
    from plotly import graph_objects as go

    compared = [row for row in rows if row["difference"]]
    labels = [html.escape(f"{words.excerpt(row['arm'], 24)}, {row['budget']}") for row in compared]
    figure = go.Figure()
    for kind, colour, symbol in (
        ("better", BLUE, "circle"),
        ("worse", ORANGE, "diamond"),
        ("not resolved", GREY, "circle-open"),
    ):
        # The script paints bars of x in the page's ink, so that those of each kind keep a colour by their marker.
        shown = [
            (label, row["difference"]) for label, row in zip(labels, compared, strict=True) if verdict(row) == kind
        ]
        figure.add_scatter(
            x=[found["points"] for _, found in shown],
            y=[label for label, _ in shown],
            name=kind,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2, "color": colour}},
            error_x={
                "type": "data",
                "array": [found["high"] - found["points"] for _, found in shown],
                "arrayminus": [found["points"] - found["low"] for _, found in shown],
                "thickness": 1.5,
                "width": 4,
            },
            hovertemplate="%{x:.1f} points<extra>%{y}</extra>",
        )
    figure.add_vline(0, line={"width": 1.5, "color": GREY})
    title = {"text": html.escape(f"points to “{words.excerpt(reference, 30)}”")}
    figure.update_layout(height=130 + 34 * len(compared), xaxis={"title": title, "fixedrange": True}, legend=LEGEND)
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1], fixedrange=True)
    return as_json(figure, top=40, right=24)
