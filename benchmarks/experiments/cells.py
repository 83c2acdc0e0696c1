"""Cells of an experiment, each computed once and written down at once, and their paired differences to one method."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One choice to learn from: a set, a budget as a share of the pool, a method, a seed."""

    set: str
    share: float
    method: str
    seed: int


def cells(plan: Sequence[tuple[str, float]], seeds: Sequence[int], methods: Sequence[str]) -> Iterator[Cell]:
    """All methods of a seed, then all seeds of a set and budget, before the next."""
    for name, share in plan:
        for seed in seeds:
            yield from (Cell(name, share, method, seed) for method in methods)


def compute(todo: Iterator[Cell], measure: Callable[[Cell], dict[str, Any]], minutes: float, file: Path) -> None:
    """Measure the cells that ``file`` lacks until the time is over; each is written as soon as it is done.

    ``measure`` gives ``values``, one number for each held-out question, and any figures beside.
    """
    ends = time.monotonic() + 60 * minutes
    for cell in todo:
        if any(asdict(cell).items() <= row.items() for row in read_cells(file)):
            continue
        if time.monotonic() > ends:
            return
        started = time.monotonic()
        found = measure(cell)
        values = [round(float(value), 4) for value in found["values"]]
        seconds = round(time.monotonic() - started)
        with file.open("a") as out:
            out.write(json.dumps(asdict(cell) | found | {"values": values, "seconds": seconds}) + "\n")
        told = f"{cell.set} {cell.share:.0%} {cell.method} seed {cell.seed}"
        print(f"{told}: {np.mean(values):.4f} in {seconds} s", flush=True)


def read_cells(file: Path) -> list[dict[str, Any]]:
    """The finished cells; a line that a kill cut short counts for none."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def table(file: Path, against: str = "random") -> list[dict[str, Any]]:
    """Mean and paired difference to one method of each (set, share, method), over the seeds that both have."""
    found: dict[tuple[str, float, str], dict[int, list[float]]] = {}
    for row in read_cells(file):
        found.setdefault((row["set"], row["share"], row["method"]), {})[row["seed"]] = row["values"]
    rows = []
    for (name, share, method), by_seed in found.items():
        base = found.get((name, share, against), {})
        both = sorted(by_seed.keys() & base.keys())
        if both:
            here, there = (np.array([values[seed] for seed in both]) for values in (by_seed, base))
            rows.append(row_of(name, share, method, here, there, against))
    return rows


def row_of(
    name: str, share: float, method: str, here: Values, there: Values, against: str = "random"
) -> dict[str, Any]:
    """One row of a table; both arrays have shape (seeds, questions)."""
    told = {"set": name, "share": share, "method": method, "seeds": len(here), "mean": round(float(here.mean()), 4)}
    return told | {f"over_{against}": differences(here, there)}


def differences(here: Values, there: Values, draws: int = 4000) -> list[float]:
    """The mean difference and its 95% interval: both (seeds, questions), resampled over seeds and over questions."""
    apart = here - there
    seeds, questions = apart.shape
    draw = np.random.default_rng(0)
    by_seed = draw.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    by_question = draw.multinomial(questions, np.full(questions, 1 / questions), draws) / questions
    means = np.einsum("bs,sq,bq->b", by_seed, apart, by_question, optimize=True)
    return [round(float(value), 4) for value in (apart.mean(), *np.quantile(means, [0.025, 0.975]))]
