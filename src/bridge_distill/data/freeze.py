"""Read both sources, reject what cannot be used, and freeze the splits in the order of their content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from bridge_distill import practice
from bridge_distill.artifacts import REJECTED, TEST, TRAIN
from bridge_distill.config import Data
from bridge_distill.data.duplicates import claim, duplicate_key, judged
from bridge_distill.data.overlap import overlap
from bridge_distill.data.rows import Maker
from bridge_distill.data.sources import content_digest
from bridge_distill.data.split import Split, questions_of, ranked
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Question

COMMON = 10


def freeze(data: Data, folder: Path) -> dict[str, Any]:
    """Write ``train.parquet``, ``test.parquet`` and ``rejected.jsonl`` to ``folder``; returns the figures.

    The figures: how many questions ``train`` and ``test`` hold; how many rows were ``rejected`` for each
    reason; by split, the ``rows`` read, ``rejected_by_split``, those ``beyond_limit``, the 10 most common
    ``answers`` and the frozen split's ``digest``; ``overlap`` and ``overlap_top``, the 20 test questions that
    share most with the pool; ``majority``, the share of the test split's most frequent gold answer. A
    practice task brings its own answer form. Raises ``UserError`` for a source that cannot be read or has no
    usable row.
    """
    maker = Maker(data)
    splits = {"train": Split("train", data.train), "test": Split("test", data.test)}
    usable = {"test": answered(splits["test"], maker)}
    unread = list(questions_of(splits["train"], maker))
    usable["train"] = distinct(splits["train"], unread, {duplicate_key(question) for question in usable["test"]})
    _write_rejected(folder / REJECTED, [row for split in splits.values() for row in split.rejected])
    for name, split in splits.items():
        split.require(len(usable[name]))
    limits = {"train": data.limit_train, "test": data.limit_test}
    frozen = {name: usable[name][: limits[name]] for name in splits}
    write_rows(folder / TRAIN, Question, frozen["train"])
    write_rows(folder / TEST, Question, frozen["test"])
    return _figures(splits, usable, frozen)


def digest(data: Data) -> dict[str, str]:
    """What both sources hold, for the fingerprint of the stage; raises ``UserError`` for a missing file."""
    return {"train": _source_digest(data.train, "train"), "test": _source_digest(data.test, "test")}


def read_questions(source: str, forms: list[str]) -> list[Question]:
    """The usable questions of one source, as the training split of a run would hold them (``UserError``)."""
    split = Split("train", source)
    maker = Maker(Data(train=source, test=source, answer=forms))
    usable = distinct(split, list(questions_of(split, maker)), set())
    split.require(len(usable))
    return usable


def answered(split: Split, maker: Maker) -> list[Question]:
    """The usable questions of a test split, in the order of content."""
    kept = []
    for line, question in list(questions_of(split, maker)):
        if question.answer is None:
            split.reject(line, question.id, "test question without answer", question.text)
        else:
            kept.append((line, question))
    return distinct(split, kept, set())


def distinct(split: Split, found: list[tuple[int, Question]], held_out: Set[str]) -> list[Question]:
    """What is left of questions with their lines once duplicates are rejected, in the order of content."""
    kept = []
    for row, reason in judged((claim(row, question) for row, (_, question) in enumerate(found)), held_out):
        line, question = found[row]
        if reason is None:
            kept.append(question)
        else:
            split.reject(line, question.id, reason, question.text)
    return kept


def _source_digest(source: str, split: str) -> str:
    if not source.startswith(practice.PREFIX):
        return content_digest(source, split)
    task, n, seed, difficulty = practice.parse_spec(source, f"data.{split}")
    return f"{practice.PREFIX}{task}?n={n}&seed={seed}&difficulty={difficulty}&version={practice.VERSION}"


def _write_rejected(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)


def _figures(
    splits: dict[str, Split], usable: dict[str, list[Question]], frozen: dict[str, list[Question]]
) -> dict[str, Any]:
    golds = {name: Counter(q.answer for q in frozen[name] if q.answer is not None) for name in splits}
    return {
        **{name: len(frozen[name]) for name in splits},
        "rejected": ranked(splits["train"].reasons + splits["test"].reasons),
        "rows": {name: split.rows for name, split in splits.items()},
        "rejected_by_split": {name: ranked(split.reasons) for name, split in splits.items()},
        "beyond_limit": {name: len(usable[name]) - len(frozen[name]) for name in splits},
        **overlap(frozen["train"], frozen["test"]),
        "answers": {name: dict([*ranked(counts).items()][:COMMON]) for name, counts in golds.items()},
        "majority": max(golds["test"].values()) / len(frozen["test"]),
        "digest": {name: _digest_rows(frozen[name]) for name in splits},
    }


def _digest_rows(questions: list[Question]) -> str:
    names = [field.name for field in fields(Question)]
    hashed = hashlib.sha256()
    for question in questions:
        hashed.update(json.dumps({name: getattr(question, name) for name in names}).encode() + b"\n")
    return hashed.hexdigest()
