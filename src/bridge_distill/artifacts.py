"""The files that stages hand to each other, by name, and how to read them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.engine.columns import read_columns
from bridge_distill.engine.rows import read_rows
from bridge_distill.records import Choice, Question, Rationale, Reply, Score, Verdict

TRAIN = "train.parquet"
TEST = "test.parquet"
REJECTED = "rejected.jsonl"
SCORES = "scores.parquet"
EMBEDDINGS = "embeddings.npy"
WEIGHTED = "weighted.npy"
CHOICES = "choices.parquet"
REPLIES = "replies.parquet"
RATIONALES = "rationales.parquet"
DRAFTS = "drafts.parquet"
QUESTIONS = "questions.parquet"
CONSENSUS = "consensus.parquet"
CHECKED = "checked"
VERDICTS = "verdicts.parquet"
MODEL = "model"
CURVE = "curve.json"
# In a study's own folder.
STUDY = "study.json"
RESULTS = "results.jsonl"
FAILED = "failed"


def train_questions(data: Path) -> list[Question]:
    """The frozen training pool, in its frozen order."""
    return read_rows(data / TRAIN, Question)


def test_questions(data: Path) -> list[Question]:
    """The frozen test questions, in their frozen order."""
    return read_rows(data / TEST, Question)


def scores(score: Path) -> list[Score]:
    """One row a training question, in the pool's order."""
    return read_rows(score / SCORES, Score)


def signals(score: Path) -> dict[str, NDArray[np.float64]]:
    """What was measured of the pool: each column of shape (pool,), NaN where there was nothing to measure."""
    columns = read_columns(score / SCORES)
    fixed = {field.name for field in fields(Score)}
    return {name: np.asarray(values, dtype=np.float64) for name, values in columns.items() if name not in fixed}


def embeddings(score: Path) -> NDArray[np.float32]:
    """Where each question lies, of shape (pool, width) in the pool's order: a view of the file, read as it is used.

    Float32, or float16 with ``score.half``: convert a block before computing with it.
    """
    return _mapped(score / EMBEDDINGS)


def weighted(score: Path) -> NDArray[np.float32] | None:
    """The assistant's states averaged by position, like ``embeddings``; None without ``score.weighted``."""
    return _mapped(score / WEIGHTED) if (score / WEIGHTED).is_file() else None


def choices(select: Path) -> list[Choice]:
    """One row a training question, in the pool's order."""
    return read_rows(select / CHOICES, Choice)


def chosen(select: Path) -> list[Choice]:
    """The chosen questions alone, best first."""
    found = [choice for choice in choices(select) if choice.chosen]
    return sorted(found, key=lambda choice: (choice.rank is None, choice.rank or 0))


def replies(teach: Path) -> list[Reply]:
    """The replies bought or found in the store, in the order of choice."""
    return read_rows(teach / REPLIES, Reply)


def rationales(folder: Path) -> list[Rationale]:
    """The rationales that a teach or tutor stage left, kept or not."""
    return read_rows(folder / RATIONALES, Rationale)


def new_questions(folder: Path) -> list[Question]:
    """The questions that a stage added to the pool's; none where it asked those of the pool alone."""
    return read_rows(folder / QUESTIONS, Question) if (folder / QUESTIONS).is_file() else []


def verdicts(evaluate: Path) -> list[Verdict]:
    """One row a test question."""
    return read_rows(evaluate / VERDICTS, Verdict)


def curve(folder: Path) -> dict[str, Any]:
    """What a curve stage found of the rounds so far (``evaluation.curve``)."""
    found: dict[str, Any] = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    return found


def _mapped(path: Path) -> NDArray[np.float32]:
    loaded: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return loaded


def megabytes(model: Path) -> float:
    """Size of a model's weights on disk in MB (10^6 bytes)."""
    return round(sum(path.stat().st_size for path in model.glob("*.safetensors")) / 1e6, 2)
