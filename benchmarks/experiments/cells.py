"""Cells of an experiment, each computed once and written down at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.errors import UserError

REFUSED = "refused"


@dataclass(frozen=True)
class Cell:
    """One thing to measure: a set, a share of its pool (paid, or degraded), a method, a seed."""

    set: str
    share: float
    method: str
    seed: int

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.set} {self.share:.0%} {self.method} seed {self.seed}"


def cells(plan: Sequence[tuple[str, float]], seeds: Sequence[int], methods: Sequence[str]) -> Iterator[Cell]:
    """All methods of a seed, then all seeds of a set and share, before the next."""
    for name, share in plan:
        for seed in seeds:
            yield from (Cell(name, share, method, seed) for method in methods)


def part_of(todo: Iterable[Cell], worker: int, workers: int) -> list[Cell]:
    """A worker's part, in order: whole seeds of a set, since the cells of one may share what they compute."""
    listed = list(todo)
    groups = list(dict.fromkeys((cell.set, cell.seed) for cell in listed))
    mine = set(groups[worker - 1 :: workers])
    return [cell for cell in listed if (cell.set, cell.seed) in mine]


def compute(todo: Iterable[Cell], measure: Callable[[Cell], dict[str, Any]], minutes: float, file: Path) -> None:
    """Measure the cells that ``file`` lacks until the time is over; each is written as soon as it is done.

    ``measure`` gives ``values``, one number for each held-out question, and any figures beside. A cell that it
    refuses with ``UserError`` is written with the reason, and tried again another time.
    """
    ends = time.monotonic() + 60 * minutes
    for cell in todo:
        if any(asdict(cell).items() <= row.items() for row in read_cells(file) if REFUSED not in row):
            continue
        if time.monotonic() > ends:
            return
        started = time.monotonic()
        try:
            found = measure(cell)
        except UserError as error:
            _write(file, asdict(cell) | {REFUSED: str(error)})
            print(f"{cell.label}: refused, {error}", flush=True)
            continue
        values = [round(float(value), 4) for value in found["values"]]
        seconds = round(time.monotonic() - started)
        _write(file, asdict(cell) | found | {"values": values, "seconds": seconds})
        print(f"{cell.label}: {np.mean(values):.4f} in {seconds} s", flush=True)


def read_cells(file: Path) -> list[dict[str, Any]]:
    """The cells written so far, refused ones too; a line that a kill cut short counts for none."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _write(file: Path, row: dict[str, Any]) -> None:
    if row not in read_cells(file):
        with file.open("a") as out:
            out.write(json.dumps(row) + "\n")
