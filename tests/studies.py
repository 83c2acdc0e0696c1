"""Folders of studies, as a study leaves them, with answers drawn from known chances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# An arm and a budget to the chance of a right answer.
Chances = dict[tuple[str, str], float]


def line(set_: str, arm: str, budget: str, seed: int, right: Sequence[int], **changes: Any) -> dict[str, Any]:
    """One finished cell; 20 teacher queries a per cent of budget, but none for an arm named ``labels``."""
    share = float(budget.rstrip("%"))
    calls = 0 if arm == "labels" else round(20 * share)
    return {
        "set": set_,
        "arm": arm,
        "budget": budget,
        "seed": seed,
        "questions": f"digest of {set_}",
        "right": list(right),
        "others": {"base": [int(place % 10 == 0) for place in range(len(right))]},
        "groups": None,
        "majority": 0.5,
        "teacher_right": 0.9 if calls else None,
        "steps": 300,
        "tokens": 120_000,
        "parameters": 21_000_000,
        "seconds": {"student": 400.0, "evaluate/student": 60.0},
        "assistant_seconds": 0.0 if arm == "labels" else 900.0,
        "calls": calls,
        "input_tokens": 90 * calls,
        "output_tokens": 70 * calls,
        "usd": f"{0.0004 * calls:.6f}",
        "short": None,
        "paths": {"student": f"stages/student-{set_}-{arm}-{budget}-{seed}"},
        **changes,
    }


def drawn(
    sets: Sequence[str], chances: Chances, seeds: int = 5, questions: int = 300, between: float = 0.02, seed: int = 1
) -> list[dict[str, Any]]:
    """Cells whose questions differ in difficulty and whose seeds differ by the standard deviation ``between``."""
    rng = np.random.default_rng(seed)
    found = []
    for set_ in sets:
        hard = rng.normal(0, 0.2, questions)
        for (arm, budget), chance in chances.items():
            for number in range(seeds):
                right = rng.random(questions) < chance + hard + rng.normal(0, between)
                found.append(line(set_, arm, budget, number, [int(one) for one in right]))
    return found


def write_study(
    folder: Path, lines: Sequence[dict[str, Any]], reference: str, planned: Sequence[dict[str, Any]] = (), **facts: Any
) -> Path:
    """The folder of a study whose cells are ``lines``, and those ``planned`` that have not ended."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [{key: row[key] for key in ("set", "arm", "budget", "seed")} for row in (*lines, *planned)]
    described = {
        "name": folder.name,
        "command": f"bridge-distill study {folder.name}.yaml",
        "reference": reference,
        "study": {"name": folder.name, "reference": reference, "cap": {"usd": "1.00"}},
        "cells": cells,
        "config": {f"{row['set']}, {row['arm']}": {"budget": {"queries": row["budget"]}} for row in lines},
        **facts,
    }
    (folder / "study.json").write_text(json.dumps(described))
    for place in {row["paths"]["student"]: row for row in lines}:
        (folder / place).mkdir(parents=True)
        record = {"settings": {"student": {"curriculum": ["labels"]}}, "versions": {"torch": "2.13"}}
        (folder / place / "record.json").write_text(json.dumps(record))
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    return folder
