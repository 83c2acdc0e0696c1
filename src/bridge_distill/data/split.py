"""One split while it is read: its usable questions, and what was rejected and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge_distill import practice
from bridge_distill.config import Data
from bridge_distill.data.rows import NAMES, Maker, RejectedError, bounded
from bridge_distill.data.sources import Row, read
from bridge_distill.errors import UserError
from bridge_distill.records import Question

EXCERPT = 300


@dataclass
class Split:
    """What reading a source has shown so far; rejected rows are listed, or, without ``listing``, counted only."""

    name: str
    source: str
    listing: bool = True
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, line: int, question_id: str | None, reason: str, excerpt: str) -> None:
        """Enter a row that is not used."""
        self.reasons[reason] += 1
        if self.listing:
            row = {"split": self.name, "source": self.source, "line": line, "id": question_id, "reason": reason}
            self.rejected.append({**row, "excerpt": excerpt[:EXCERPT]})

    def require(self, usable: int) -> None:
        """Raise ``UserError`` where no question is left."""
        if not usable:
            counts = ", ".join(f"{count} {reason}" for reason, count in ranked(self.reasons).items()) or "it is empty"
            problem = f"no row of {self.source} is usable ({self.rows} read: {counts})"
            raise UserError(f"data.{self.name}", problem, "correct the rows, data.columns or data.answer")


def ranked(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first, then by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def questions_of(split: Split, maker: Maker) -> Iterator[tuple[int, Question]]:
    """The questions of a split's source with their lines, in its order; rejects what is none.

    Raises ``UserError`` for a source that cannot be read, or of which no row has a column that must be there.
    """
    if split.source.startswith(practice.PREFIX):
        for question in practice.from_spec(split.source, f"data.{split.name}"):
            split.rows += 1
            yield split.rows, bounded(question, maker.data.tolerance)
        return
    columns: set[str] = set()
    for row in read(split.source, split.name):
        split.rows += 1
        if row.values is None:
            split.reject(row.line, None, row.problem, row.excerpt)
            continue
        columns.update(row.values)
        try:
            yield row.line, maker.question(row.values, row.encodable)
        except RejectedError as error:
            _reject(split, row, maker.data, error.reason)
    if columns:
        _require_columns(split, maker.data, columns)


def _reject(split: Split, row: Row, data: Data, reason: str) -> None:
    assert row.values is not None
    name = row.values.get(data.columns.get("id", "id"))
    excerpt = json.dumps(row.values, default=str)
    split.reject(row.line, None if name is None else str(name), reason, excerpt)


def _require_columns(split: Split, data: Data, columns: set[str]) -> None:
    for name in NAMES:
        column = data.columns.get(name, name)
        if column not in columns and (name == "question" or name in data.columns):
            found = f"no row of {split.source} has the column {column!r}"
            raise UserError(f"data.columns.{name}", found, f"name one of {', '.join(sorted(columns))}")
