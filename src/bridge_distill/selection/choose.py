"""Select: rank the questions worth paying for, and write down why for each, chosen or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill import artifacts
from bridge_distill.config import Select
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Choice
from bridge_distill.selection.contract import Pool
from bridge_distill.selection.parallel import usable_threads
from bridge_distill.selection.ranking import check_needs, make_selector, rank, settings_of


def check(settings: Select) -> None:
    """Raise ``UserError`` for a method or option that is unknown, or a method that a run has not what it needs for."""
    settings_of(settings.method, settings.options)
    check_needs(settings.method, frozenset({"embeddings", "difficulty"}))


def identity(settings: Select) -> dict[str, Any]:
    """What decides a choice, with every option that was left out at its default."""
    options = settings_of(settings.method, settings.options).identity()
    return {"method": settings.method, "options": options}


def choose(
    settings: Select, count: int, data: Path, score: Path, folder: Path, seed: int, threads: int | None = None
) -> dict[str, Any]:
    """Write a ``Choice`` for each training question, ``count`` of them chosen and ranked; returns figures."""
    selector = make_selector(settings.method, settings.options, seed, threads or usable_threads())
    pool = _read_pool(data, score)
    picks = rank(selector, pool, count)
    ids = [str(name) for name in pool.ids]
    left = f"not among the first {len(picks)} of {settings.method}"
    choices = [Choice(name, False, None, None, left) for name in ids]
    for place, pick in enumerate(picks):
        choices[pick.index] = Choice(ids[pick.index], True, place, pick.gain, pick.reason)
    write_rows(folder / artifacts.CHOICES, Choice, choices)
    return {
        "pool": len(pool),
        "chosen": len(picks),
        "method": settings.method,
        "mean_difficulty_of_chosen": float(np.mean([pool.hardness[pick.index] for pick in picks])),
    }


def _read_pool(data: Path, score: Path) -> Pool:
    rows = artifacts.scores(score)
    return Pool(
        [row.question_id for row in rows],
        artifacts.embeddings(score),
        np.array([row.difficulty for row in rows]),
        [question.domain for question in artifacts.train_questions(data)],
        artifacts.signals(score),
        weighted=artifacts.weighted(score),
    )
