"""Where what a study used comes from: its statistics, and the methods of the stages that its cells came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bridge_distill.report.citations import TESTS, Cited, cited, of_stage
from bridge_distill.report.study.words import every_row


def methods(summary: dict[str, Any], stages: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Cited]:
    """Each method that the study used, and no other; ``stages`` are names and settings of those that are done."""
    used = [method for name, settings in stages for method in of_stage(name, settings)]
    return cited([*_statistics(summary), *used])


def _statistics(summary: dict[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    rows = [row for _, row in every_row(summary)]
    grouped = [found["contexts"] is not None for found in summary["sets"].values() for _ in found["arms"]]
    alone = [len(row["seeds"]) == 1 and not group for row, group in zip(rows, grouped, strict=True)]
    if not all(alone):
        yield "Intervals and p-values over seeds and questions", ("generalised",)
    if any(alone):
        yield "Intervals of an accuracy with one seed", TESTS["Intervals of accuracies"]
        if any(row["difference"] for row, one in zip(rows, alone, strict=True) if one):
            works = (*TESTS["Intervals of paired differences"], *TESTS["Test of a paired difference"])
            yield "Differences with one seed, paired over questions", works
    if any(grouped):
        yield "Errors clustered by the context that questions share", ("clusters", "evals")
    if summary["comparisons"] > 1:
        yield "P-values corrected over all comparisons of the study", ("holm",)
