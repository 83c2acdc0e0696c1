"""Read both sources, reject what cannot be used, and freeze the splits in the order of their content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bridge_distill import practice
from bridge_distill.answers import answer_forms
from bridge_distill.artifacts import REJECTED, TEST, TRAIN
from bridge_distill.config import Data
from bridge_distill.data.overlap import overlap
from bridge_distill.data.rows import (
    NAMES,
    RejectedError,
    bounded,
    check_columns,
    duplicate_key,
    order_key,
    question_of,
)
from bridge_distill.data.sources import Row, content_digest, read
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question

EXCERPT = 300
COMMON = 10


@dataclass
class Split:
    """A split while it is read: usable questions with their lines, and what was rejected."""

    name: str
    source: str
    limit: int | None
    rows: int = 0
    questions: list[tuple[int, Question]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    beyond_limit: int = 0

    def reject(self, line: int, question_id: str | None, reason: str, excerpt: str) -> None:
        """List a row that is not used."""
        row = {"split": self.name, "source": self.source, "line": line, "id": question_id, "reason": reason}
        self.rejected.append({**row, "excerpt": excerpt[:EXCERPT]})

    def keep(self, kept: Iterable[tuple[int, Question, str | None]]) -> None:
        """Keep the questions without a reason, reject the others."""
        rows, self.questions = list(kept), []
        for line, question, reason in rows:
            if reason is None:
                self.questions.append((line, question))
            else:
                self.reject(line, question.id, reason, question.text)

    def frozen(self) -> list[Question]:
        """The questions, in frozen order."""
        return [question for _, question in self.questions]


def freeze(data: Data, folder: Path) -> dict[str, Any]:
    """Write ``train.parquet``, ``test.parquet`` and ``rejected.jsonl`` to ``folder``; returns the figures.

    The figures: how many questions ``train`` and ``test`` hold; how many rows were ``rejected`` for each
    reason; by split, the ``rows`` read, ``rejected_by_split``, those ``beyond_limit``, the 10 most common
    ``answers`` and the frozen split's ``digest``; ``overlap`` and ``overlap_top``, the 20 test questions that
    share most with the pool; ``majority``, the share of the test split's most frequent gold answer. A
    practice task brings its own answer form. Raises ``UserError`` for a source that cannot be read or has no
    usable row.
    """
    check_columns(data)
    for form in data.forms:
        answer_forms.get(form, "data.answer")
    test = _load(Split("test", data.test, data.limit_test), data)
    train = _load(Split("train", data.train, data.limit_train), data)
    test.keep((line, q, None if q.answer is not None else "test question without answer") for line, q in test.questions)
    _deduplicate(test, set())
    _deduplicate(train, {duplicate_key(question) for question in test.frozen()})
    _write_rejected(folder / REJECTED, [*train.rejected, *test.rejected])
    for split, name in ((train, TRAIN), (test, TEST)):
        _require_rows(split)
        _limit(split)
        write_rows(folder / name, Question, split.frozen())
    return _figures(train, test)


def digest(data: Data) -> dict[str, str]:
    """What both sources hold, for the fingerprint of the stage; raises ``UserError`` for a missing file."""
    return {"train": _source_digest(data.train, "train"), "test": _source_digest(data.test, "test")}


def read_questions(source: str, forms: list[str]) -> list[Question]:
    """The usable questions of one source, as the training split of a run would hold them (``UserError``)."""
    data = Data(train=source, test=source, answer=forms)
    split = _load(Split("train", source, None), data)
    _deduplicate(split, set())
    _require_rows(split)
    return split.frozen()


def _source_digest(source: str, split: str) -> str:
    if not source.startswith(practice.PREFIX):
        return content_digest(source, split)
    task, n, seed, difficulty = practice.parse_spec(source, f"data.{split}")
    return f"{practice.PREFIX}{task}?n={n}&seed={seed}&difficulty={difficulty}&version={practice.VERSION}"


def _load(split: Split, data: Data) -> Split:
    if split.source.startswith(practice.PREFIX):
        made = practice.from_spec(split.source, f"data.{split.name}")
        split.questions = [(number, bounded(question, data.tolerance)) for number, question in enumerate(made, start=1)]
        split.rows = len(made)
        return split
    columns: set[str] = set()
    for row in read(split.source, split.name):
        split.rows += 1
        columns.update(row.values or ())
        _add(split, row, data)
    if columns:
        _require_columns(split, data, columns)
    return split


def _add(split: Split, row: Row, data: Data) -> None:
    if row.values is None:
        split.reject(row.line, None, row.problem, row.excerpt)
        return
    try:
        split.questions.append((row.line, question_of(row.values, data)))
    except RejectedError as error:
        name = row.values.get(data.columns.get("id", "id"))
        excerpt = json.dumps(row.values, default=str)
        split.reject(row.line, None if name is None else str(name), error.reason, excerpt)


def _require_columns(split: Split, data: Data, columns: set[str]) -> None:
    for name in NAMES:
        column = data.columns.get(name, name)
        if column not in columns and (name == "question" or name in data.columns):
            found = f"no row of {split.source} has the column {column!r}"
            raise UserError(f"data.columns.{name}", found, f"name one of {', '.join(sorted(columns))}")


def _deduplicate(split: Split, held_out: set[tuple[str, ...]]) -> None:
    ids: set[str] = set()
    seen: set[tuple[str, ...]] = set()

    def judged() -> Iterable[tuple[int, Question, str | None]]:
        # In the order of content, so that the row kept among duplicates does not depend on the file's order.
        for line, question in sorted(split.questions, key=lambda item: (order_key(item[1]), repr(item[1]), item[0])):
            key = duplicate_key(question)
            reason = _duplicate(question, key, ids, seen, held_out)
            if reason is None:
                ids.add(question.id)
                seen.add(key)
            yield line, question, reason

    split.keep(judged())


def _duplicate(
    question: Question, key: tuple[str, ...], ids: set[str], seen: set[tuple[str, ...]], held_out: set[tuple[str, ...]]
) -> str | None:
    if key in held_out:
        return "question of the test split"
    if key in seen:
        return "duplicate question"
    return "duplicate id" if question.id in ids else None


def _require_rows(split: Split) -> None:
    if not split.questions:
        counts = ", ".join(f"{count} {reason}" for reason, count in _reasons(split).items()) or "it is empty"
        problem = f"no row of {split.source} is usable ({split.rows} read: {counts})"
        raise UserError(f"data.{split.name}", problem, "correct the rows, data.columns or data.answer")


def _limit(split: Split) -> None:
    if split.limit is not None:
        split.beyond_limit = max(0, len(split.questions) - split.limit)
        split.questions = split.questions[: split.limit]


def _write_rejected(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)


def _figures(train: Split, test: Split) -> dict[str, Any]:
    both = (train, test)
    golds = {split.name: Counter(q.answer for q in split.frozen() if q.answer is not None) for split in both}
    return {
        "train": len(train.questions),
        "test": len(test.questions),
        "rejected": _reasons(train, test),
        "rows": {split.name: split.rows for split in both},
        "rejected_by_split": {split.name: _reasons(split) for split in both},
        "beyond_limit": {split.name: split.beyond_limit for split in both},
        **overlap(train.frozen(), test.frozen()),
        "answers": {name: dict(_ranked(counts)[:COMMON]) for name, counts in golds.items()},
        "majority": max(golds["test"].values()) / len(test.questions),
        "digest": {split.name: _digest_rows(split.frozen()) for split in both},
    }


def _reasons(*splits: Split) -> dict[str, int]:
    return dict(_ranked(Counter(row["reason"] for split in splits for row in split.rejected)))


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _digest_rows(questions: list[Question]) -> str:
    hashed = hashlib.sha256()
    for question in questions:
        hashed.update(json.dumps(asdict(question)).encode() + b"\n")
    return hashed.hexdigest()
