"""What each gate let through, what it removed and why; every removed row is kept with its reason."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge_distill.data.split import EXCERPT, ranked
from bridge_distill.outfile import new_file


@dataclass
class Step:
    """One gate: how many rows it saw, what it removed by reason, and how long it took."""

    name: str
    seen: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of the block."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


class Funnel:
    """The gates in order, and the rows that they removed."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.rows: list[dict[str, Any]] = []

    def step(self, name: str, seen: int = 0) -> Step:
        """Add a gate."""
        self.steps.append(Step(name, seen))
        return self.steps[-1]

    def remove(self, step: Step, line: int, question_id: str | None, reason: str, excerpt: str) -> None:
        """Enter a row that a gate removed."""
        step.removed[reason] += 1
        row = {"line": line, "id": question_id, "gate": step.name, "reason": reason}
        self.rows.append({**row, "excerpt": excerpt[:EXCERPT]})

    def table(self) -> list[dict[str, Any]]:
        """One row a gate, as plain JSON."""
        return [
            {
                "gate": step.name,
                "in": step.seen,
                "removed": step.removed.total(),
                "out": step.seen - step.removed.total(),
                "reasons": ranked(step.removed),
                "seconds": round(step.seconds, 2),
            }
            for step in self.steps
        ]

    def write_removed(self, path: Path) -> None:
        """Write every removed row as a line of JSON, in the order of the pool."""
        with new_file(path) as stream:
            stream.writelines(json.dumps(row) + "\n" for row in sorted(self.rows, key=lambda row: row["line"]))


def in_words(table: Sequence[dict[str, Any]]) -> str:
    """The table for a terminal."""
    lines = [f"{'gate':12}{'in':>9}{'removed':>9}{'out':>9}{'seconds':>9}  why"]
    for row in table:
        why = ", ".join(f"{number} {reason}" for reason, number in row["reasons"].items())
        lines.append(
            f"{row['gate']:12}{row['in']:9}{row['removed']:9}{row['out']:9}{row['seconds']:9.1f}  {why}".rstrip()
        )
    return "\n".join(lines)
