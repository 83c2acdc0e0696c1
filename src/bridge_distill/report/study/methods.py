"""Where what a study used comes from: its statistics, and what its run files name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bridge_distill.report.citations import cited, of_stage
from bridge_distill.report.study.words import every_row

SEEDS = (
    "Intervals and p-values over seeds and questions: means of a two-way layout whose few seeds are averaged over the "
    "chi-square distribution of their mean square (Behrens-Fisher), as generalised confidence intervals: S. Weerahandi "
    "(1993), JASA 88."
)
WILSON = "Intervals of an accuracy with one seed: E. B. Wilson (1927), JASA 22."
PAIRED = (
    "Differences with one seed, paired over questions: R. G. Newcombe (1998), Statistics in Medicine 17, method 10; "
    "exact test of Q. McNemar (1947), Psychometrika 12."
)
CONTEXTS = (
    "Errors clustered by the context that questions share: K.-Y. Liang and S. L. Zeger (1986), Biometrika 73; "
    "E. Miller (2024), arXiv 2411.00640."
)
HOLM = "P-values corrected over all comparisons of the study: S. Holm (1979), Scandinavian Journal of Statistics 6."


def citations(summary: dict[str, Any], configs: Iterable[dict[str, Any]]) -> list[str]:
    """One sentence for each method that the study used, and for no other."""
    used = [method for config in configs for method in of_stage("", config)]
    return [*_statistics(summary), *(f"{one.method}: {'; '.join(one.works)}." for one in cited(used))]


def _statistics(summary: dict[str, Any]) -> Iterator[str]:
    rows = [row for _, row in every_row(summary)]
    grouped = [found["contexts"] is not None for found in summary["sets"].values() for _ in found["arms"]]
    alone = [len(row["seeds"]) == 1 and not group for row, group in zip(rows, grouped, strict=True)]
    if not all(alone):
        yield SEEDS
    if any(alone):
        yield WILSON
        if any(row["difference"] for row, one in zip(rows, alone, strict=True) if one):
            yield PAIRED
    if any(grouped):
        yield CONTEXTS
    if summary["comparisons"] > 1:
        yield HOLM
