"""Label noise: how often a confident answer is wrong, measured where gold is known and was never learnt."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.answers import is_correct
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.records import Consensus, Question
from bridge_distill.statistics import interval

NO_GOLD = "no question of the pool has a gold answer"
ALL_LEARNT = "the assistant has learnt from every question of the pool that has a gold answer"
NONE_CONFIDENT = "no answer to a question with gold was confident"


@dataclass(frozen=True)
class Checks:
    """Questions with gold and no paid rationale, drawn from ``golds`` questions that have gold."""

    questions: list[Question]
    golds: int


def checks(data: Path, teach: Path, most: int, seed: int) -> Checks:
    """At most ``most`` such questions of the pool, drawn by the seed, in the pool's order."""
    known = {row.question_id for row in artifacts.rationales(teach) if row.kept}
    golds, draw = 0, random.Random(seed)

    def placed() -> Iterator[tuple[float, int, Question]]:
        nonlocal golds
        for at, question in enumerate(iterate_rows(data / artifacts.TRAIN, Question)):
            golds += question.answer is not None
            if question.answer is not None and question.id not in known:
                yield draw.random(), at, question

    chosen = nsmallest(most, placed(), key=lambda row: row[:2])
    return Checks([question for _, _, question in sorted(chosen, key=lambda row: row[1])], golds)


def noise(drawn: Checks, found: Iterable[Consensus]) -> dict[str, Any]:
    """How many questions were ``asked``, how many answers ``confident`` and ``wrong``, and the latter's ``share`` of
    the confident with a 95% interval (``low``, ``high``); or why it is ``unknown``."""
    believed = [
        is_correct(consensus.answer, question)
        for question, consensus in zip(drawn.questions, found, strict=True)
        if consensus.kept
    ]
    asked, confident, wrong = len(drawn.questions), len(believed), believed.count(False)
    counts = {"asked": asked, "confident": confident, "wrong": wrong}
    if not confident:
        return {**counts, "unknown": NO_GOLD if not drawn.golds else ALL_LEARNT if not asked else NONE_CONFIDENT}
    low, high = interval(wrong, confident)
    return {**counts, "share": wrong / confident, "low": low, "high": high}
