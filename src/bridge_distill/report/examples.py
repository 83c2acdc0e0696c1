"""Test questions to read side by side, picked by a fixed rule and not by how well they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from bridge_distill.records import Question, Verdict
from bridge_distill.report.folder import Graded


@dataclass(frozen=True)
class Example:
    """One test question with every model's verdict on it, in the models' order (None: not asked)."""

    question: Question
    verdicts: list[tuple[str, Verdict | None]]


def side_by_side(questions: Sequence[Question], models: Sequence[Graded], limit: int = 10) -> list[Example]:
    """Pick up to ``limit`` questions: first those where the student and a rival (the arms, else the assistant, else
    the base) disagree, wins and losses of the student in turn, then the rest; each in the test set's order.
    """
    if not models:
        return []
    answers = {model.key: {verdict.question_id: verdict for verdict in model.verdicts} for model in models}
    rivals = _rivals(models)
    wins: list[Question] = []
    losses: list[Question] = []
    rest: list[Question] = []
    for question in questions:
        outcomes = {key: found[question.id].correct for key, found in answers.items() if question.id in found}
        student = outcomes.get("student")
        others = {outcomes[key] for key in rivals if key in outcomes}
        if student is None or others <= {student}:
            rest.append(question)
        else:
            (wins if student else losses).append(question)
    in_turn = [question for question in chain.from_iterable(zip_longest(wins, losses)) if question is not None]
    picked = (in_turn + rest)[:limit]
    return [Example(item, [(model.label, answers[model.key].get(item.id)) for model in models]) for item in picked]


def _rivals(models: Sequence[Graded]) -> list[str]:
    arms = [model.key for model in models if model.arm is not None]
    if arms:
        return arms
    keys = [model.key for model in models]
    return ["assistant"] if "assistant" in keys else [key for key in keys if key == "base"]
