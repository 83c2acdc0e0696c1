"""Tune the assistant on the expert's rationales."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts
from bridge_distill.assistant.levels import Phase, phases
from bridge_distill.assistant.strategies import KindsFn, with_strategies
from bridge_distill.config import Assistant, Compute
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import make_adapter, merged, settings_of
from bridge_distill.models.load import Model, cut, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.train import Trained, Training, fine_tune

ADAPTER = "assistant.adapter"


def check(settings: Assistant) -> None:
    """Raise ``UserError`` for an adapter or an option of one that is unknown, or a bad value."""
    settings_of(settings.adapter, ADAPTER)


def identity(settings: Assistant) -> dict[str, Any]:
    """What decides a tuned assistant, with every option of the adapter that was left out at its default."""
    adapter = {"kind": settings.adapter.kind, "options": settings_of(settings.adapter, ADAPTER).identity()}
    return {**settings.identity(), "adapter": adapter}


def apprentice(
    settings: Assistant,
    data: Path,
    teach: Path,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
    kinds: KindsFn,
) -> dict[str, Any]:
    """Write the tuned assistant, adapters merged, as plain safetensors; returns figures.

    ``kinds`` sorts the questions of flat rationales, where those are to get a strategy. Raises ``UserError``
    where no kept reply is short enough to learn from.
    """
    adapt = make_adapter(settings.adapter, ADAPTER)
    questions = {question.id: question for question in artifacts.train_questions(data)}
    paid = [row for row in artifacts.rationales(teach) if row.kept]
    if not paid:
        raise UserError(
            "assistant",
            "the teacher left no rationale to learn from",
            "see what was dropped in the report, raise budget",
        )
    if settings.strategies == "clusters":
        paid = with_strategies(questions, paid, kinds, seed)
    plan = phases(settings, questions, paid)
    set_seed(seed)
    model = load(settings.base, compute, "assistant.base")
    learnt = [text for phase in plan for one in phase.examples for text in (one.prompt, one.completion)]
    cut(model, settings.shrink, [*map(prompts.local, questions.values()), *learnt], "assistant.shrink")
    model.network = adapt(model, [one for phase in plan for one in phase.examples])
    trained = _tune(model, plan, settings, scratch, seed)
    model.network = merged(model.network)
    model.save(folder / artifacts.MODEL)
    notes = dict(sorted(Counter(row.note for row in paid if row.note).items()))
    figures = _figures(trained)
    weights = {
        "parameters": model.parameters,
        "trained_share": figures["trained_parameters"] / model.parameters,
        "megabytes": megabytes(folder / artifacts.MODEL),
    }
    return {**weights, **figures, **({"traces": notes} if notes else {})}


def _tune(
    model: Model, plan: Sequence[Phase], settings: Assistant, scratch: Path, seed: int
) -> list[tuple[str, Trained]]:
    """Learn the phases in order; a phase that ended before a kill is read back from its last checkpoint."""
    done = []
    for index, phase in enumerate(plan):
        steps = max(1, math.ceil(settings.epochs * len(phase.examples) / settings.batch))
        training = Training(
            steps, settings.batch, settings.learning_rate, settings.max_tokens, settings.save_steps, seed + index
        )
        checkpoints = scratch / f"checkpoints{f'-{index}' * (index > 0)}"
        try:
            trained = fine_tune(model, phase.examples, training, checkpoints, "tuning the assistant")
        except ValueError as error:
            raise UserError("assistant.max_tokens", str(error), "raise it") from error
        done.append((phase.name, trained))
    return done


def _figures(done: Sequence[tuple[str, Trained]]) -> dict[str, Any]:
    """Those of the only phase, or the sums over several beside each one's own."""
    if len(done) == 1:
        return done[0][1].figures()
    found = [{"name": name, **trained.figures()} for name, trained in done]
    names = ("examples", "too_long", "steps", "tokens")
    sums = {name: sum(asdict(trained)[name] for _, trained in done) for name in names}
    return {**sums, "trained_parameters": done[-1][1].trained_parameters, "phases": found}


def megabytes(folder: Path) -> float:
    """Size of the weights on disk in MB (10^6 bytes)."""
    return round(sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6, 2)
