"""A study's outcome in sentences, as sure as its intervals and corrected p-values allow and no surer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge_distill.report import words

FEW_SEEDS = 3
# Sentences at the head of a page; the tables hold all.
MOST = 8


def headline(summary: dict[str, Any]) -> str:
    """One sentence: how many comparisons with the reference are resolved, or the one that there is."""
    rows = [(name, row) for name, row in every_row(summary) if row["difference"]]
    if not rows:
        done, planned = summary["cells"]["done"], summary["cells"]["planned"]
        return f"{done} of {words.counted(planned, 'cell')} have ended: nothing can be compared yet."
    if len(rows) == 1:
        return sentence(summary, *rows[0])
    better, worse = (sum(verdict(row) == kind for _, row in rows) for kind in ("better", "worse"))
    open_ = len(rows) - better - worse
    return (
        f"Of {len(rows)} comparisons with “{summary['reference']}”, {better} {_are(better)} resolved as better, "
        f"{worse} as worse and {open_} {_are(open_)} not resolved."
    )


def sentences(summary: dict[str, Any]) -> list[str]:
    """One for each comparison, those that are resolved first, as far as there is room; then what limits them all."""
    rows = [(name, row) for name, row in every_row(summary) if row["difference"]]
    told = [sentence(summary, *pair) for pair in sorted(rows, key=lambda pair: not pair[1]["difference"]["resolved"])]
    if len(told) > MOST:
        resolved = sum(row["difference"]["resolved"] for _, row in rows)
        told = [*told[: min(resolved, MOST)], f"The tables below hold all {len(rows)} comparisons."]
    return [*(told if len(rows) > 1 else []), *limits(summary)]


def limits(summary: dict[str, Any]) -> Iterator[str]:
    """What a reader must know before believing: seeds, cells that are missing, purchases that fell short."""
    seeds = [len(row["seeds"]) for _, row in every_row(summary)]
    if seeds and min(seeds) == 1:
        yield "With one seed an interval is over questions alone, and says nothing of what another seed would bring."
    elif seeds and min(seeds) < FEW_SEEDS:
        yield "Where there are two seeds, they hardly show how much a seed matters: intervals are wide for that reason."
    cells = summary["cells"]
    left = cells["planned"] - cells["done"]
    if left:
        failed = f", {len(cells['failed'])} of them failed" if cells["failed"] else ""
        yield f"{left} of {words.counted(cells['planned'], 'cell')} are missing{failed}: figures may change."
    for name, row in every_row(summary):
        if row["short"]:
            yield f"{name}, {row['budget']}: buying for “{row['arm']}” ended early ({', '.join(row['short'])})."
        if row["failed"]:
            most = f"{'up to ' if len(row['seeds']) > 1 else ''}{words.counted(row['failed'], 'request')}"
            yield f"{name}, {row['budget']}: for “{row['arm']}” {most} in a cell failed and brought no reply."


def sentence(summary: dict[str, Any], name: str, row: dict[str, Any]) -> str:
    """What one comparison shows, and what it does not."""
    found = row["difference"]
    other = f"“{summary['reference']}”" + (
        "" if found["reference_budget"] == row["budget"] else f" at {found['reference_budget']}"
    )
    start = f"{name}, {row['budget']}: “{row['arm']}” answers {share(row['accuracy'])}"
    seeds = words.counted(len(found["seeds"]), "seed")
    if found["resolved"]:
        size = f"{gap(found)} points {verdict(row)}{_times(row)}"
        return f"{start}, {size} than {other} (corrected p {p_value(found['holm'])}, {seeds})."
    limit = found["detectable"]
    reason = f"; about {words.points(limit)} points or more would show reliably" if limit is not None else ""
    return f"{start}; its difference to {other}, {gap(found)} points, is not resolved ({seeds}{reason})."


def verdict(row: dict[str, Any]) -> str:
    """``better``, ``worse``, ``not resolved``, or what has no comparison."""
    found = row["difference"]
    if found is None:
        return "reference" if row["reference"] else "not compared"
    return "not resolved" if not found["resolved"] else "better" if found["points"] > 0 else "worse"


def every_row(summary: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each data set's name with each of its rows."""
    return [(name, row) for name, found in summary["sets"].items() for row in found["arms"]]


def share(found: dict[str, float]) -> str:
    """``72% [68, 76]``, with one digit more where the interval is narrow."""
    digits = 1 if found["high"] - found["low"] < 0.04 else 0
    value, low, high = (f"{100 * found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}% [{low}, {high}]"


def beside(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str, dict[str, Any], str]]:
    """What was tested beside the students of each row: the row, its name for people, its accuracy, each seed's."""
    return [
        (row, name.replace("guide/", "guide "), found, ", ".join(f"{100 * one:.1f}%" for one in found["by_seed"]))
        for row in rows
        for name, found in row["beside"].items()
    ]


def gap(found: dict[str, float]) -> str:
    """A difference in points, ``13 [8, 18]``, without a sign where words say its direction."""
    turned = found.get("resolved") and found["points"] < 0
    points, low, high = found["points"], found["low"], found["high"]
    if turned:
        points, low, high = -points, -high, -low
    return f"{words.points(points)} [{words.points(low)}, {words.points(high)}]"


def p_value(p: float) -> str:
    """A p-value as people write it."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _times(row: dict[str, Any]) -> str:
    found = row["ratio"]
    return "" if found is None else f" ({found['value']:.2f} times [{found['low']:.2f}, {found['high']:.2f}])"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
