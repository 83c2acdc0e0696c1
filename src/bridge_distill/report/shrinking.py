"""What was cut from the base: size and latency of the base and of each student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge_distill.report import words

Row = tuple[str, str, str, str, str]


def shrunk(summary: Mapping[str, Any]) -> list[Row]:
    """Rows of name, size and latency, of the run and of its arms; an arm's base is said where it differs."""
    found: list[Row] = []
    bases: set[float] = set()
    for name, figures in [("", summary), *summary.get("arms", {}).items()]:
        weighed = figures.get("student", {}).get("shrunk")
        if weighed is None:
            continue
        suffix = f" of {name}" if name else ""
        if weighed["base"]["parameters"] not in bases:
            found.append(_row(f"Base{suffix}", weighed["base"]))
        bases.add(weighed["base"]["parameters"])
        found.append(_row(f"Student{suffix}", weighed["student"]))
    return found


def _row(name: str, weighed: Mapping[str, float]) -> Row:
    return (
        name,
        words.parameters(weighed["parameters"]),
        f"{weighed['megabytes']:,.1f} MB",
        f"{weighed['prefill_ms']:,.1f} ms",
        f"{weighed['token_ms']:,.1f} ms",
    )
