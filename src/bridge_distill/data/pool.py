"""The training pool one question at a time, for a forecast: what ``freeze`` would keep, without holding it."""

from __future__ import annotations

import heapq
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bridge_distill.artifacts import REJECTED, TEST, TRAIN
from bridge_distill.config import Data
from bridge_distill.data.duplicates import HELD_OUT, claim, duplicate_key, judged, order_key, wording_hash
from bridge_distill.data.freeze import answered
from bridge_distill.data.rows import Maker
from bridge_distill.data.split import Split, questions_of, ranked
from bridge_distill.engine.rows import batches, iterate_rows, write_rows
from bridge_distill.records import Question

# Written once and read twice: neither dictionaries nor compression are worth their time.
_SCRATCH = {"use_dictionary": False, "compression": "none"}


@dataclass(frozen=True)
class Pool:
    """A training pool on disk, read anew each time it is iterated, in the order of ``path``.

    ``kept`` marks the rows of ``path`` that are part of it (None: all); ``size`` and ``test`` count the
    questions of both splits, ``rejected`` the training rows that are not used, by reason.
    """

    path: Path
    kept: NDArray[np.bool_] | None
    size: int
    test: int
    rejected: dict[str, int]

    def __iter__(self) -> Iterator[Question]:
        return iterate_rows(self.path, Question, self.kept)

    def mean_length(self) -> float:
        """Characters of a question's text, on average."""
        texts = batches(self.path, pa.schema([("text", pa.string())]), self.kept)
        total: int = sum(pc.sum(pc.utf8_length(batch["text"]), min_count=0).as_py() for batch in texts)
        return total / self.size


def open_pool(data: Data, scratch: Path) -> Pool:
    """Read the sources once: the pool that ``freeze`` would keep, down to which of its duplicates stays.

    Memory holds the test split, some tens of bytes a row, and every row whose wording or id another one has;
    ``scratch`` takes the rest, about as large as the source. Raises ``UserError`` as ``freeze`` does.
    """
    maker = Maker(data)
    test, train = Split("test", data.test, listing=False), Split("train", data.train, listing=False)
    tests = answered(test, maker)
    path, wordings, ids = scratch / TRAIN, array("q"), array("q")

    def usable() -> Iterator[Question]:
        keys, hashes = {duplicate_key(question) for question in tests}, {wording_hash(question) for question in tests}
        for line, question in questions_of(train, maker):
            wording = wording_hash(question)
            if wording in hashes and duplicate_key(question) in keys:
                train.reject(line, question.id, HELD_OUT, question.text)
                continue
            wordings.append(wording)
            ids.append(hash(question.id))
            yield question

    write_rows(path, Question, usable(), **_SCRATCH)
    kept = _distinct(path, _alone(wordings) & _alone(ids), train)
    train.require(int(kept.sum()))
    test.require(len(tests))
    if data.limit_train is not None:
        kept = _first(path, kept, data.limit_train)
    return Pool(path, kept, int(kept.sum()), len(tests[: data.limit_test]), ranked(train.reasons))


def frozen_pool(folder: Path) -> Pool:
    """The pool that ``freeze`` left in ``folder``."""
    size, test = (pq.read_metadata(folder / name).num_rows for name in (TRAIN, TEST))
    with (folder / REJECTED).open(encoding="utf-8") as lines:
        rows = map(json.loads, lines)
        rejected = Counter(row["reason"] for row in rows if row["split"] == "train")
    return Pool(folder / TRAIN, None, size, test, ranked(rejected))


def _alone(hashes: array[int]) -> NDArray[np.bool_]:
    """Which values no other equals."""
    _, where, counts = np.unique(np.array(hashes, dtype=np.int64), return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = counts[where] == 1
    return alone


def _distinct(path: Path, alone: NDArray[np.bool_], split: Split) -> NDArray[np.bool_]:
    """Mark the rows that stay: those that share nothing, and of the others those that ``freeze`` keeps."""
    kept, shared = alone.copy(), np.flatnonzero(~alone)
    claims = (claim(int(row), q) for row, q in zip(shared, iterate_rows(path, Question, ~alone), strict=True))
    for row, reason in judged(claims, frozenset()):
        kept[row] = reason is None
        if reason is not None:
            split.reasons[reason] += 1
    return kept


def _first(path: Path, kept: NDArray[np.bool_], limit: int) -> NDArray[np.bool_]:
    """Mark the first rows in the order of content."""
    rows = zip(map(order_key, iterate_rows(path, Question, kept)), np.flatnonzero(kept), strict=True)
    first = np.zeros_like(kept)
    first[[row for _, row in heapq.nsmallest(limit, rows)]] = True
    return first
