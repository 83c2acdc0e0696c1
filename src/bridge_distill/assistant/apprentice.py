"""Tune the assistant on the expert's rationales."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts
from bridge_distill.config import Assistant, Compute
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import make_adapter, merged, settings_of
from bridge_distill.models.load import cut, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.train import Example, Training, fine_tune

ADAPTER = "assistant.adapter"


def check(settings: Assistant) -> None:
    """Raise ``UserError`` for an adapter or an option of one that is unknown, or a bad value."""
    settings_of(settings.adapter, ADAPTER)


def identity(settings: Assistant) -> dict[str, Any]:
    """What decides a tuned assistant, with every option of the adapter that was left out at its default."""
    adapter = {"kind": settings.adapter.kind, "options": settings_of(settings.adapter, ADAPTER).identity()}
    return {**settings.identity(), "adapter": adapter}


def apprentice(
    settings: Assistant, data: Path, teach: Path, folder: Path, scratch: Path, compute: Compute, seed: int
) -> dict[str, Any]:
    """Write the tuned assistant, adapters merged, as plain safetensors; returns figures.

    Raises ``UserError`` where no kept reply is short enough to learn from.
    """
    adapt = make_adapter(settings.adapter, ADAPTER)
    questions = artifacts.train_questions(data)
    asked = {question.id: prompts.local(question) for question in questions}
    paid = [row for row in artifacts.rationales(teach) if row.kept]
    examples = [Example(asked[row.question_id], row.text) for row in paid]
    if not examples:
        raise UserError(
            "assistant",
            "the teacher left no rationale to learn from",
            "see what was dropped in the report, raise budget",
        )
    set_seed(seed)
    model = load(settings.base, compute, "assistant.base")
    cut(model, settings.shrink, [*asked.values(), *(row.text for row in paid)], "assistant.shrink")
    model.network = adapt(model, examples)
    steps = max(1, math.ceil(settings.epochs * len(examples) / settings.batch))
    training = Training(steps, settings.batch, settings.learning_rate, settings.max_tokens, settings.save_steps, seed)
    try:
        trained = fine_tune(model, examples, training, scratch / "checkpoints", "tuning the assistant")
    except ValueError as error:
        raise UserError("assistant.max_tokens", str(error), "raise it") from error
    model.network = merged(model.network)
    model.save(folder / artifacts.MODEL)
    return {
        "parameters": model.parameters,
        "trained_share": trained.trained_parameters / model.parameters,
        "megabytes": megabytes(folder / artifacts.MODEL),
        **trained.figures(),
    }


def megabytes(folder: Path) -> float:
    """Size of the weights on disk in MB (10^6 bytes)."""
    return round(sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6, 2)
