"""The report's figures as plotly JSON; the page's script adds the colours of text, grid and background."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bridge_distill.report import words
from bridge_distill.report.coverage import Pool
from bridge_distill.report.folder import Graded
from bridge_distill.report.reach import Reach

# Middle tones: each keeps a contrast of at least 3:1 on the page's light and on its dark background.
BLUE, ORANGE, GREEN, GREY, PURPLE = "#3a7fc4", "#d0692a", "#2b9168", "#7f8791", "#9a6fc2"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, "#c2577e", "#8a7f2e", "#3796a3", GREY)
LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
DIFFICULTY = [[0.0, "#3a8fd0"], [0.5, "#a06fc0"], [1.0, "#dd5a3c"]]


def accuracy(models: Sequence[Graded], scores: dict[str, Any], majority: float | None) -> dict[str, Any]:
    """Bars of accuracy with 95% intervals, and a line where always giving the most frequent answer lands."""
    from plotly import graph_objects as go

    rows = [scores[model.key] for model in models]
    shares = [100 * row["accuracy"] for row in rows]
    labels = [
        f"{label(model.label)}<br><b>{words.percent(row['accuracy'])}</b>"
        for model, row in zip(models, rows, strict=True)
    ]
    kinds = {"base": GREY, "assistant": GREEN, "student": BLUE}
    bars = go.Bar(
        x=shares,
        y=labels,
        orientation="h",
        width=0.6,
        marker={"color": [ORANGE if model.arm is not None else kinds[model.key] for model in models]},
        error_x=error_bars(rows, shares) | {"thickness": 2, "width": 6},
        customdata=[[100 * row["low"], 100 * row["high"], row["n"]] for row in rows],
        hovertemplate="%{x:.1f}% of %{customdata[2]}<br>"
        "95% interval %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.update_layout(
        height=110 + 62 * len(rows), xaxis={"range": [0, 100], "ticksuffix": "%", "dtick": 20, "fixedrange": True}
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    if majority is not None:
        note = f"most frequent answer {words.percent(majority)}"
        anchor = "left" if majority < 0.5 else "right"
        figure.add_vline(100 * majority, line={"dash": "dash", "width": 2, "color": PURPLE})
        figure.add_annotation(
            x=100 * majority, y=1, yref="paper", yanchor="bottom", xanchor=anchor, text=note, showarrow=False
        )
    return as_json(figure, top=34, right=30)


def of_pool(pool: Pool) -> dict[str, Any]:
    """The map, the difficulty and the reach of what was chosen from a pool, by name."""
    plots = {"coverage": coverage(pool), "difficulty": difficulty(pool)}
    return plots | ({} if pool.reach is None else {"reach": reach(pool.reach)})


def coverage(pool: Pool) -> dict[str, Any]:
    """The pool on two principal components: circles were not chosen, diamonds were; colour is difficulty."""
    from plotly import graph_objects as go

    chosen = np.flatnonzero(pool.chosen)
    figure = go.Figure([_cloud(go, pool, pool.drawn(), False), _cloud(go, pool, chosen, True)])
    # A trace on a colour axis has no colour of its own for the legend, so the legend gets two empty traces.
    for name, symbol, size in (("not chosen", "circle", 6), ("chosen", "diamond", 12)):
        marker = {"symbol": symbol, "size": size, "color": GREY}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    bar = {"title": {"text": "difficulty", "side": "right"}, "thickness": 12, "len": 0.9, "outlinewidth": 0}
    hidden = {"showticklabels": False, "zeroline": False, "title": {"text": ""}}
    figure.update_layout(
        height=460,
        coloraxis={"colorscale": DIFFICULTY, "colorbar": bar},
        legend=LEGEND,
        xaxis=hidden,
        yaxis=hidden,
        hovermode="closest",
    )
    return as_json(figure, top=40)


def difficulty(pool: Pool) -> dict[str, Any]:
    """How hard the chosen and the other questions are, as shares of each."""
    from plotly import graph_objects as go

    values, chosen = np.nan_to_num(pool.difficulty), pool.chosen
    edges = np.histogram_bin_edges(values, bins=20)
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    for name, part, colour in (("not chosen", values[~chosen], GREY), ("chosen", values[chosen], BLUE)):
        heights = 100 * np.histogram(part, bins=edges)[0] / max(len(part), 1)
        figure.add_bar(x=middles, y=heights, name=name, marker={"color": colour}, hovertemplate="%{y:.1f}% at %{x:.2f}")
    figure.update_layout(
        height=300,
        barmode="group",
        bargap=0.1,
        xaxis={"title": {"text": "difficulty"}, "fixedrange": True},
        yaxis={"title": {"text": "share of questions"}, "ticksuffix": "%", "fixedrange": True},
        legend=LEGEND,
    )
    return as_json(figure, top=40)


def error_bars(rows: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> dict[str, Any]:
    """The intervals (``low`` and ``high``, from 0 to 1) of rows around their values in per cent."""
    return {
        "type": "data",
        "array": [100 * row["high"] - share for row, share in zip(rows, shares, strict=True)],
        "arrayminus": [share - 100 * row["low"] for row, share in zip(rows, shares, strict=True)],
        "thickness": 1.5,
        "width": 4,
    }


def reach(found: Reach) -> dict[str, Any]:
    """The share of the pool within reach of the questions chosen so far, and of as many random ones."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for name, shares, colour, dash in (
        ("random", found.random, GREY, "dash"),
        ("chosen", found.chosen, BLUE, "solid"),
    ):
        figure.add_scatter(
            x=found.budgets,
            y=(100 * shares).round(2),
            name=name,
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate="%{y:.1f}% within reach of %{x}",
        )
    figure.update_layout(
        height=300,
        xaxis={"title": {"text": "questions chosen"}, "rangemode": "tozero", "fixedrange": True},
        yaxis={"title": {"text": "share of the pool"}, "ticksuffix": "%", "range": [0, 102], "fixedrange": True},
        legend=LEGEND,
    )
    return as_json(figure, top=40)


def funnel(rationales: dict[str, Any]) -> dict[str, Any]:
    """How many explanations each author wrote, how many were kept, and why the others were not."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for author, colour in (("expert", ORANGE), ("assistant", GREEN)):
        found = rationales.get(author)
        if found is None:
            continue
        steps = {"written": found["written"], "kept": found["kept"]}
        steps |= {f"dropped: {reason}": number for reason, number in found["dropped"].items()}
        labels = [label(words.excerpt(f"{author}, {step}", 60), 20) for step in steps]
        values = list(steps.values())
        figure.add_bar(
            x=values,
            y=labels,
            text=[words.count(value) for value in values],
            orientation="h",
            textposition="outside",
            cliponaxis=False,
            marker={"color": colour},
            hoverinfo="skip",
        )
    lines = sum(label.count("<br>") + 1 for trace in figure.data for label in trace.y)
    rows = sum(len(trace.y) for trace in figure.data)
    counts = {"fixedrange": True, "tickangle": 0, "nticks": 5, "rangemode": "tozero"}
    figure.update_layout(height=70 + 16 * lines + 18 * rows, showlegend=False, barmode="overlay", xaxis=counts)
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    return as_json(figure, right=44)


def losses(curves: dict[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Training loss over steps, one line a trained model."""
    from plotly import graph_objects as go

    figure = go.Figure()
    for index, (name, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=[step for step, _ in curve],
            y=[loss for _, loss in curve],
            name=label(name),
            mode="lines" if len(curve) > 1 else "markers",
            line={"color": PALETTE[index % len(PALETTE)], "width": 2},
        )
    figure.update_layout(
        height=340,
        xaxis={"title": {"text": "training step"}, "rangemode": "tozero", "fixedrange": True},
        yaxis={"title": {"text": "loss"}, "rangemode": "tozero", "fixedrange": True},
        legend=LEGEND,
        hovermode="x unified",
    )
    return as_json(figure, top=40)


def _cloud(go: Any, pool: Pool, rows: Any, chosen: bool) -> Any:
    # Hover text is read as a small markup by plotly: escape it, so that a question shows as it was written.
    texts = [label(words.excerpt(pool.questions[row].text, 160), 50) for row in rows]
    why = [f"<br><b>why:</b> {label(pool.choices[row].reason, 50)}" if chosen else "" for row in rows]
    hard = pool.difficulty[rows].round(4).tolist()
    size, symbol, opacity = (12, "diamond", 1.0) if chosen else (6, "circle", 0.4)
    return go.Scatter(
        x=pool.where[rows, 0].round(4),
        y=pool.where[rows, 1].round(4),
        mode="markers",
        showlegend=False,
        line={"color": GREY},
        text=texts,
        customdata=[*zip(hard, why, strict=True)],
        marker={
            "color": hard,
            "coloraxis": "coloraxis",
            "size": size,
            "symbol": symbol,
            "opacity": opacity,
            "line": {"width": 1.5 if chosen else 0, "color": "#6b7280"},
        },
        hovertemplate="%{text}<br>difficulty %{customdata[0]:.2f}%{customdata[1]}<extra></extra>",
    )


def label(text: str, width: int = 22) -> str:
    """A text as plotly's small markup shows it: escaped, and broken into lines of at most ``width``."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(text, width)) or " "


def as_json(figure: Any, top: int = 12, right: int = 12) -> dict[str, Any]:
    """A figure as plotly JSON, with the margins and type that all of them have."""
    figure.update_layout(template="none", margin={"l": 8, "r": right, "t": top, "b": 8}, font={"size": 13})
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    loaded: dict[str, Any] = json.loads(figure.to_json())
    return loaded
