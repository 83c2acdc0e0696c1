"""The part of the flow from the last paid reply to the tuned assistant: where it improves itself, round by round.

``improve-0/assistant`` learns the paid replies. In round N it explains the pool (``improve-N/explain``), and the base
is tuned anew on the paid replies and what was explained well (``improve-N/assistant``); the last tuned one is the
plain ``assistant``. Without rounds of improvement it learns the paid replies, and that is all.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, assistant, rounds, selection
from bridge_distill.config import Assistant, Run
from bridge_distill.engine.stage import Bench, Stage
from bridge_distill.kinds import kinds
from bridge_distill.models.bases import base_digest


def tuning(run: Run, learner: Assistant) -> list[Stage]:
    """The stages up to the assistant, and the learning curve of what the paid replies alone have taught."""
    last = learner.improve.rounds
    made = [_tuned(run, learner, 0)]
    for number in range(1, last + 1):
        made += [_explained(run, learner, number), _tuned(run, learner, number)]
    return [*made, *rounds.tested_last(run, learner, made[0].name)]


def explaining(learner: Assistant) -> list[str]:
    """The names of the stages that explain the pool for a round of improvement."""
    return [f"improve-{number}/explain" for number in range(1, learner.improve.rounds + 1)]


def tuned_names(learner: Assistant) -> list[str]:
    """The names of the stages that tune the assistant, in order."""
    return [_name(learner, number) for number in range(learner.improve.rounds + 1)]


def _name(learner: Assistant, number: int) -> str:
    return "assistant" if number == learner.improve.rounds else f"improve-{number}/assistant"


def _tuned(run: Run, learner: Assistant, number: int) -> Stage:
    """The assistant after a round; it learns what a hint is where it will be given some."""
    own = f"improve-{number}/explain" if number else None
    hinted = learner.improve.hints and number < learner.improve.rounds
    settings: dict[str, Any] = {
        "assistant": assistant.identity(learner),
        "base": base_digest(learner.base, "assistant.base"),
        "seed": run.seed,
    }
    settings |= {"improve": learner.improve.of_tuning()} if own else {}
    settings |= {"hinted": True} if hinted else {}
    inputs = ("data", "teach", *([own] if own else []))
    return Stage(_name(learner, number), settings, inputs, partial(_tune, run, learner, own, hinted))


def _tune(run: Run, learner: Assistant, own: str | None, hinted: bool, at: Bench) -> dict[str, Any]:
    folder = at[own] if own else None
    return assistant.apprentice(
        learner, at["data"], at["teach"], at.folder, at.scratch, run.compute, run.seed, kinds, folder, hinted
    )


def _explained(run: Run, learner: Assistant, number: int) -> Stage:
    tuned = _name(learner, number - 1)
    before = f"improve-{number - 1}/explain" if number > 1 else None
    settings: dict[str, Any] = {
        "improve": learner.improve.of_explaining(),
        "seed": run.seed,
        **rounds.asked_by(learner),
    }
    if run.select.rounds > 1:
        settings["held_out"] = run.select.held_out
    inputs = ("data", "teach", tuned, *([before] if before else []))
    return Stage(f"improve-{number}/explain", settings, inputs, partial(_explain, run, learner, tuned, before))


def _explain(run: Run, learner: Assistant, tuned: str, before: str | None, at: Bench) -> dict[str, Any]:
    return assistant.improve(
        learner,
        at["data"],
        at["teach"],
        at[tuned],
        at[before] if before else None,
        _held_out(run, at["data"]),
        at.folder,
        at.scratch,
        run.compute,
        run.seed,
    )


def _held_out(run: Run, data: Path) -> frozenset[str]:
    """Ids of the questions that test the rounds of buying, which nothing may learn from."""
    if run.select.rounds == 1:
        return frozenset()
    drawn = selection.held_out(run.select, artifacts.train_questions(data), run.seed)
    return frozenset(question.id for question in drawn)
