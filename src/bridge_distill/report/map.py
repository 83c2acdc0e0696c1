"""A page of its own for what was chosen from a pool outside of a run: funnel, map, difficulty and reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge_distill.report import figures
from bridge_distill.report.coverage import Pool
from bridge_distill.report.folder import write_text
from bridge_distill.report.page import render, shown


def write_map(
    path: Path, title: str, pool: Pool, funnel: Sequence[Mapping[str, Any]], domains: Mapping[str, int]
) -> None:
    """Write one HTML file that needs no network; ``funnel`` has a row a gate, ``domains`` what was chosen of each."""
    content = {"title": title, "funnel": funnel, "domains": domains, "shown": shown(pool)}
    write_text(path, render("map.html", {**content, "plots": figures.of_pool(pool)}))
