"""Select: rank the questions worth paying for, and write down why for each, chosen or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill import artifacts
from bridge_distill.config import Select
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Choice
from bridge_distill.selection.contract import Pool, selectors


def choose(settings: Select, count: int, data: Path, score: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Write a ``Choice`` for each training question, ``count`` of them chosen and ranked; returns figures."""
    method = selectors.get(settings.method, "select.method")
    rows = artifacts.scores(score)
    by_id = np.array(sorted(range(len(rows)), key=lambda i: rows[i].question_id))
    difficulty = np.array([rows[i].difficulty for i in by_id])
    pool = Pool([rows[i].question_id for i in by_id], artifacts.embeddings(score)[by_id], difficulty)
    picks = method(pool, min(count, len(rows)), settings, seed)
    picked = {
        pool.ids[pick.index]: Choice(pool.ids[pick.index], True, rank, pick.gain, pick.reason)
        for rank, pick in enumerate(picks)
    }
    left = f"not among the first {len(picks)} of {settings.method}"
    choices = [picked.get(row.question_id, Choice(row.question_id, False, None, None, left)) for row in rows]
    write_rows(folder / artifacts.CHOICES, Choice, choices)
    chosen = [pool.difficulty[pick.index] for pick in picks]
    return {
        "pool": len(rows),
        "chosen": len(picks),
        "method": settings.method,
        "mean_difficulty_of_chosen": float(np.mean(chosen)),
    }
