"""How the two levels of a rationale become training examples: one sequence, separate tasks, or two phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge_distill import prompts
from bridge_distill.config import Assistant, LevelWeights
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example
from bridge_distill.records import Question, Rationale
from bridge_distill.traces import levels


@dataclass(frozen=True)
class Phase:
    """Examples that are learnt together, after those of the phase before; ``held_out`` ones say when to stop."""

    name: str
    examples: list[Example]
    held_out: list[Example] = field(default_factory=list)


def phases(settings: Assistant, questions: Mapping[str, Question], rows: Sequence[Rationale]) -> list[Phase]:
    """What the assistant learns, in order; a level of weight 0 is left out of the loss.

    ``joint`` is one sequence. ``tasks`` asks for strategy, tactics and answer one by one. ``staged`` is the one
    sequence twice: first its strategy alone counts, then the rest. A flat rationale is always one sequence.
    Raises ``UserError`` where tasks or stages find no strategy at all, or weights leave nothing to learn.
    """
    if all(row.strategy is None for row in rows):
        check_flat(settings)
    found = [Phase(name, made) for name, made in laid_out(settings, questions, rows).items() if made]
    if not found:
        raise _nothing_to_learn()
    return found


def check_flat(settings: Assistant) -> None:
    """Raise ``UserError`` where levels or weights leave nothing to learn of rationales that have no strategy."""
    if settings.levels != "joint":
        cure = "set teacher.trace: hierarchical, assistant.strategies: clusters, or assistant.levels: joint"
        raise UserError("assistant.levels", f"{settings.levels} needs strategies, and no rationale has one", cure)
    if not settings.level_weights.tactics + settings.level_weights.answer:
        raise _nothing_to_learn()


def weightless(settings: Assistant, rows: Sequence[Rationale]) -> int:
    """How many rationales have no level of any weight, and so are not learnt."""
    weights = settings.level_weights
    return sum(not any(_weight(level, weights) for level, _ in levels(row.text, row.strategy)) for row in rows)


def _nothing_to_learn() -> UserError:
    return UserError("assistant.level_weights", "leave nothing of any rationale to learn", "raise one of them")


def laid_out(
    settings: Assistant, questions: Mapping[str, Question], rows: Sequence[Rationale]
) -> dict[str, list[Example]]:
    """The examples that rationales come to in each phase by name, in order; a phase may have none."""
    weights = settings.level_weights
    if settings.levels == "tasks":
        return {"tasks": [task for row in rows for task in _tasks(questions[row.question_id], row, weights)]}
    if settings.levels == "staged":
        first = weights.model_copy(update={"tactics": 0.0, "answer": 0.0})
        then = weights.model_copy(update={"strategy": 0.0})
        return {name: _joint(questions, rows, w) for name, w in (("strategy", first), ("tactics", then))}
    return {"joint": _joint(questions, rows, weights)}


def _joint(questions: Mapping[str, Question], rows: Sequence[Rationale], weights: LevelWeights) -> list[Example]:
    made = []
    for row in rows:
        parts = [(part, _weight(level, weights)) for level, part in levels(row.text, row.strategy)]
        if any(weight for _, weight in parts):
            made.append(Example(prompts.local(questions[row.question_id]), row.text, tuple(parts)))
    return made


def _tasks(question: Question, row: Rationale, weights: LevelWeights) -> list[Example]:
    if row.strategy is None:
        return _joint({question.id: question}, [row], weights)
    strategy, steps, answer = (part.rstrip("\n") for _, part in levels(row.text, row.strategy))
    made = [
        (prompts.strategy(question), strategy, weights.strategy),
        (prompts.tactics(question, strategy), steps, weights.tactics),
        (prompts.conclusion(question, strategy, steps), answer, weights.answer),
    ]
    return [Example(prompt, part, ((part, weight),)) for prompt, part, weight in made if weight]


def _weight(level: str, weights: LevelWeights) -> float:
    found: float = getattr(weights, level)
    return found
