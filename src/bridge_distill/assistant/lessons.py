"""What one tuning of the assistant learns from: paid rationales, its own beside them, hints, and what is held out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bridge_distill import prompts
from bridge_distill.assistant.levels import Phase, laid_out, phases, weightless
from bridge_distill.config import Assistant
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example
from bridge_distill.records import Question, Rationale


@dataclass(frozen=True)
class Lessons:
    """Kept rationales by their part in a tuning; ``paid`` ones are read ``repeats`` times as often as ``own`` ones.

    ``hinted`` says that each paid one is also learnt as the explanation of a question whose answer is given away,
    so that a hint is understood later; ``weightless`` counts those of which no level has a weight.
    """

    paid: Sequence[Rationale]
    held_out: Sequence[Rationale] = ()
    own: Sequence[Rationale] = ()
    repeats: int = 1
    hinted: bool = False
    weightless: int = 0

    def figures(self) -> dict[str, Any]:
        """Counts for a record; nothing where all that is learnt is the paid rationales."""
        held_out = {"rationales": len(self.held_out), "questions": len({row.question_id for row in self.held_out})}
        found: dict[str, Any] = {"held_out": held_out} if self.held_out else {}
        if self.own or self.hinted:
            found["lessons"] = {"paid": len(self.paid), "repeats": self.repeats, "own": len(self.own)}
        return found | ({"weightless": self.weightless} if self.weightless else {})


def lessons(
    settings: Assistant, paid: Sequence[Rationale], own: Sequence[Rationale] | None, hinted: bool, seed: int
) -> Lessons:
    """Hold out ``settings.validation`` of the paid questions, and repeat the others as ``improve.paid_share`` asks.

    ``own`` is None where the assistant learns from the paid replies alone. Raises ``UserError`` where the share
    holds out no question, or all.
    """
    held = _held_out(settings, [row.question_id for row in paid], seed)
    learnt = [row for row in paid if row.question_id not in held]
    repeats = 1 if own is None else repeats_of(settings, len(learnt), len(own))
    left_out = weightless(settings, [*learnt, *(own or ())])
    return Lessons(learnt, [row for row in paid if row.question_id in held], own or (), repeats, hinted, left_out)


def repeats_of(settings: Assistant, paid: float, own: float) -> int:
    """How many times the paid rationales are repeated beside so many own ones.

    The fewest whole times that make them at least ``improve.paid_share`` of all, and that let them be read in the
    epochs of a round no less often than where they are all there is to learn.
    """
    share = settings.improve.paid_share
    shared = math.ceil(round(share * own / ((1 - share) * paid), 9))
    return max(1, shared, math.ceil(round(settings.epochs / settings.improve.epochs, 9)))


def planned(settings: Assistant, questions: Mapping[str, Question], learnt: Lessons) -> list[Phase]:
    """The phases of a tuning with all their examples; raises as ``phases`` does."""
    plan = phases(settings, questions, [*learnt.paid] * learnt.repeats + [*learnt.own])
    held_out = laid_out(settings, questions, learnt.held_out)
    given = _hints(settings, questions, learnt.paid) if learnt.hinted else {}
    return [
        replace(
            phase,
            examples=[*phase.examples, *given.get(phase.name, [])],
            held_out=held_out[phase.name],
        )
        for phase in plan
    ]


def _hints(
    settings: Assistant, questions: Mapping[str, Question], paid: Sequence[Rationale]
) -> dict[str, list[Example]]:
    """The paid rationales as explanations of questions with a hint, by phase."""
    found: dict[str, list[Example]] = {}
    for row in paid:
        question = questions[row.question_id]
        answer = row.answer if question.answer is None else question.answer
        if answer is not None:
            given = {question.id: prompts.hinted(question, answer)}
            for name, made in laid_out(settings, given, [row]).items():
                found.setdefault(name, []).extend(made)
    return found


def _held_out(settings: Assistant, asked: Sequence[str], seed: int) -> frozenset[str]:
    """Ids of the questions that are held out: by question, since samples of one are alike."""
    if not settings.validation:
        return frozenset()
    ids = sorted(set(asked))
    count = round(settings.validation * len(ids))
    if not 0 < count < len(ids):
        problem = f"{settings.validation:g} of {len(ids)} paid questions holds out {count}"
        raise UserError("assistant.validation", problem, "leave it out, or pay for more questions")
    drawn = np.random.default_rng(seed).choice(len(ids), count, replace=False)
    return frozenset(ids[at] for at in drawn)
