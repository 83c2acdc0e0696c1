"""A study's table, arms by budgets, as Markdown: for the terminal and for documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.study.words import beside, gap, headline, limits, p_value, share, verdict

HEAD = ("arm", "budget", "seeds", "accuracy", "points to reference", "corrected p", "verdict", "USD")
BESIDE = ("arm", "budget", "beside the student", "accuracy", "each seed")


def in_words(summary: dict[str, Any]) -> str:
    """The headline, Markdown tables for each data set, and what limits the figures."""
    parts = [headline(summary)]
    for name, found in summary["sets"].items():
        parts.append(f"{name}: {aside(found)}")
        parts.append(_aligned([HEAD, *(_row(row) for row in found["arms"])]))
        if tested := beside(found["arms"]):
            lines = [(row["arm"], row["budget"], name, share(right), seeds) for row, name, right, seeds in tested]
            parts.append(_aligned([BESIDE, *lines]))
    return "\n\n".join([*parts, *limits(summary)])


def aside(found: dict[str, Any]) -> str:
    """What stands beside the arms on a data set: questions, the most frequent answer, the untuned base, the teacher."""
    contexts = f" in {words.count(found['contexts'])} contexts" if found["contexts"] else ""
    told = [f"{words.counted(found['questions'], 'test question')}{contexts}"]
    if found["majority"] is not None:
        told.append(f"always giving the most frequent answer scores {words.percent(found['majority'])}")
    if found["base"] is not None:
        told.append(f"the untuned base answers {share(found['base'])}")
    if found["teacher"] is not None:
        told.append(f"the teacher's paid replies agree with gold in {words.percent(found['teacher'])}")
    elif goals := sorted({row["teacher"] for row in found["arms"] if row["teacher"] is not None}):
        told.append(f"the arms' own teachers' paid replies agree with gold in {', '.join(map(words.percent, goals))}")
    return "; ".join(told)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    found = row["difference"]
    compared = ("", "") if found is None else (gap(found), p_value(found["holm"]))
    money = words.money(row["ledger"]["usd"])
    return (row["arm"], row["budget"], str(len(row["seeds"])), share(row["accuracy"]), *compared, verdict(row), money)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
