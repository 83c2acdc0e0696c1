"""The command line that all experiments share: what to compute, for how long, and the table at the end."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import Cell, compute, part_of
from tables import markdown, overall, table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Study:
    """What there is to measure, how, and what its table compares (see ``tables.table``).

    Methods are also compared ``over`` all sets and shares, with the one that is named so.
    """

    todo: Iterable[Cell]
    measure: Callable[[Cell], dict[str, Any]]
    against: Mapping[str, Any]
    ceiling: Mapping[str, Any] | None = None
    figures: Sequence[str] = ()
    scale: float = 100
    over: str | None = None


def run(name: str, text: str, work: str, study: Callable[[bool, Path], Study]) -> None:
    """Compute what is asked for on the command line, then print the table and, last, a line of JSON.

    ``study`` is told whether to be quick and where its files may lie, by default in ``work`` under the system's
    folder for temporary files. Quick results are not kept.
    """
    given = _arguments(text, work)
    asked = study(given.quick, given.work)
    file = (Path(tempfile.mkdtemp()) if given.quick else RESULTS) / f"{name}.jsonl"
    file.parent.mkdir(exist_ok=True)
    worker, _, workers = given.worker.partition("/")
    todo = [cell for cell in asked.todo if all(word in cell.label for word in given.only)]
    compute(part_of(todo, int(worker), int(workers)), asked.measure, given.minutes, file)
    rows = table(file, asked.against, asked.ceiling, asked.figures)
    print(markdown(rows, asked.scale))
    found = {"benchmark": name, "machine": platform.machine(), "rows": rows}
    if asked.over is not None:
        found["overall"] = overall(file, asked.over)
    print(json.dumps(found))


def _arguments(text: str, work: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few small cells; keeps no results")
    parser.add_argument("--minutes", type=float, default=240, metavar="N", help="begin no cell after N minutes")
    parser.add_argument("--worker", default="1/1", help="which part of the cells, such as 1/2 and 2/2")
    # Run files are written below it, and paths in one are taken from where it lies.
    parser.add_argument("--work", type=_resolved, default=Path(tempfile.gettempdir()) / work, metavar="FOLDER")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cells with this in their label")
    return parser.parse_args()


def _resolved(text: str) -> Path:
    return Path(text).resolve()
