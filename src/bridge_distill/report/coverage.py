"""What was chosen from the pool, and where it lies on a flat map of the pool's embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill import artifacts
from bridge_distill.errors import UserError
from bridge_distill.records import Choice, Question, Score
from bridge_distill.report.folder import RunFolder
from bridge_distill.report.reach import Reach, reach

MAP_POINTS = 5000
_BLOCK = 16_384


@dataclass(frozen=True)
class Pool:
    """The scored and chosen pool; all lists are in the pool's order, ``where`` has shape (pool, 2).

    ``reach`` is None where fewer than two questions were chosen.
    """

    questions: list[Question]
    scores: list[Score]
    choices: list[Choice]
    where: NDArray[np.float64]
    reach: Reach | None = None

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Of shape (pool,)."""
        return np.array([choice.chosen for choice in self.choices], dtype=np.bool_)

    @property
    def difficulty(self) -> NDArray[np.float64]:
        """Of shape (pool,)."""
        return np.array([score.difficulty for score in self.scores], dtype=np.float64)

    def drawn(self, seed: int = 0) -> NDArray[np.int64]:
        """Indices of the questions not chosen that the map draws: all, or a sample of ``MAP_POINTS``."""
        rest = np.flatnonzero(~self.chosen)
        if len(rest) <= MAP_POINTS:
            return rest
        return np.sort(np.random.default_rng(seed).choice(rest, MAP_POINTS, replace=False))

    def picked(self) -> list[tuple[Choice, Question, Score]]:
        """The chosen questions in the order of choice."""
        rows = [row for row in zip(self.choices, self.questions, self.scores, strict=True) if row[0].chosen]
        return sorted(rows, key=lambda row: row[0].rank if row[0].rank is not None else len(rows))


def read_pool(run: RunFolder) -> Pool | None:
    """The pool of a run whose data, score and select stages are finished, else None."""
    data, score, select = run.folder("data"), run.folder("score"), run.folder("select")
    if data is None or score is None or select is None:
        return None
    questions, scores, choices = artifacts.train_questions(data), artifacts.scores(score), artifacts.choices(select)
    vectors = artifacts.embeddings(score)
    if not len(questions) == len(scores) == len(choices) == len(vectors):
        sizes = f"{len(questions)} questions, {len(scores)} scores, {len(choices)} choices, {len(vectors)} embeddings"
        raise UserError(str(run.path), f"its stages disagree on the pool ({sizes})", "rebuild the score stage")
    return Pool(questions, scores, choices, plane(vectors), reach(vectors, _in_order(choices)))


def _in_order(choices: list[Choice]) -> NDArray[np.int64]:
    """The rows of the chosen questions, best first."""
    ranks = [(choice.rank, row) for row, choice in enumerate(choices) if choice.rank is not None]
    return np.array([row for _, row in sorted(ranks)], dtype=np.int64)


def plane(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Project vectors of shape (n, width) on their first two principal components, shape (n, 2).

    Each axis is turned so that its largest weight is positive, which makes the map the same on every machine.
    """
    middle = sum((part.sum(0) for part in _blocks(vectors)), np.zeros(vectors.shape[1])) / max(len(vectors), 1)
    # The width stays in the hundreds while a pool may hold a million questions: decompose width x width.
    spread = sum(((part - middle).T @ (part - middle) for part in _blocks(vectors)), np.zeros((len(middle),) * 2))
    _, axes = np.linalg.eigh(spread)
    top = axes[:, ::-1][:, :2]
    top = top * np.where(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])] < 0, -1.0, 1.0)
    flat = np.concatenate([(part - middle) @ top for part in _blocks(vectors)] or [np.zeros((0, top.shape[1]))])
    return flat if flat.shape[1] == 2 else np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


def _blocks(vectors: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """Some rows at a time in double precision: the file behind ``vectors`` may be larger than memory."""
    for start in range(0, len(vectors), _BLOCK):
        yield np.nan_to_num(vectors[start : start + _BLOCK].astype(np.float64))
