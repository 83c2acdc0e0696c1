"""What one choice among several is told: what earlier ones bought, and what is held out from all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bridge_distill import artifacts
from bridge_distill.config import Select
from bridge_distill.errors import UserError
from bridge_distill.records import Choice, Question


@dataclass(frozen=True)
class Round:
    """One of several choices: its ``number`` from 1, what earlier ones bought, the ids of what is held out."""

    number: int
    bought: Sequence[Choice]
    held_out: frozenset[str]


def bought(select: Path, teach: Path) -> list[Choice]:
    """What was chosen so far and got a reply, in order of choosing; a question without one may be chosen again."""
    replied = {reply.question_id for reply in artifacts.replies(teach)}
    return [choice for choice in artifacts.chosen(select) if choice.question_id in replied]


def held_out(settings: Select, pool: Sequence[Question], seed: int) -> list[Question]:
    """The questions that test each round's assistant, drawn by the seed from those with a known answer.

    Raises ``UserError`` where they are not to be had, or would leave fewer questions than rounds.
    """
    known = [question for question in pool if question.answer is not None]
    if settings.held_out > len(known) or len(pool) - settings.held_out < settings.rounds:
        of = f"{len(pool)} training questions ({len(known)} with a known answer)"
        raise UserError("select.held_out", f"{settings.held_out} of {of} cannot be held out", "lower it")
    drawn = np.random.default_rng(seed).choice(len(known), settings.held_out, replace=False)
    return [known[at] for at in np.sort(drawn)]


def share(settings: Select, number: int, whole: int) -> int:
    """How many of ``whole`` questions may be chosen by the end of a round; raises ``UserError`` for too few."""
    if whole < settings.rounds:
        problem = f"the budget pays for {whole} questions, which is fewer than {settings.rounds} rounds"
        raise UserError("select.rounds", problem, "lower it, or raise budget.queries")
    return whole * number // settings.rounds
