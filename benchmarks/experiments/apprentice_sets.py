"""The question sets of ``apprentice.py`` as the data section of a run file: a pool by seed, development questions."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PRACTICE = "practice-"
FORMS = {"legal_diversity": "yes_no", "tatqa_arith": "number"}


@dataclass(frozen=True)
class Sizes:
    """Questions in the pool of a seed, and development questions held out of every pool."""

    pool: int = 400
    tested: int = 100


def sources(name: str, seed: int, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """The data section: made-up questions, or parts of a recorded set's training split, written to ``folder``."""
    if name.startswith(PRACTICE):
        task = name.removeprefix(PRACTICE)
        spare = sizes.pool // 10
        return {
            "train": f"practice:{task}?n={sizes.pool + spare}&seed={100 + seed}&difficulty=0",
            "test": f"practice:{task}?n={sizes.tested}&seed=99&difficulty=0",
            "limit_train": sizes.pool,
        }
    tested, others = _held_out(name, sizes.tested)
    drawn = np.random.default_rng([seed, 1]).permutation(len(others))[: sizes.pool]
    parts = {"train": [others[row] for row in drawn], "test": tested}
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in parts.items():
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return {**{split: str(folder / f"{split}.jsonl") for split in parts}, "answer": FORMS[name]}


def _held_out(name: str, count: int) -> tuple[list[str], list[str]]:
    """Lines held out for development, and those that share no context with them."""
    lines = (Path(os.environ["BRIDGE_DATA"]) / name / "train.jsonl").read_text().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(len(lines))
    tested = [lines[row] for row in order[:count]]
    contexts = set(map(_context, tested))
    return tested, [line for line in lines if _context(line) not in contexts]


def _context(line: str) -> str:
    """What several questions may share: the table and text before the question, or the whole where there is none."""
    question: str = json.loads(line)["question"]
    return question.partition("\nQuestion:")[0]
