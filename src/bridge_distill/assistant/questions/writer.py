"""The writer: the assistant's base, tuned on the texts of the pool's questions. It sees no answer and nothing paid."""

from __future__ import annotations

import math
import random
from heapq import nsmallest
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.assistant.apprentice import ADAPTER, identity
from bridge_distill.assistant.questions.manner import Kind, Manner, readable
from bridge_distill.config import Assistant, Compute, Writer
from bridge_distill.engine.rows import count_rows, iterate_rows
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import make_adapter, merged
from bridge_distill.models.load import load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Training, fine_tune
from bridge_distill.records import Question

_AS_ASSISTANT = ("shrink", "adapter", "batch", "learning_rate", "max_tokens")


def writer_identity(settings: Writer, learner: Assistant) -> dict[str, Any]:
    """What decides a tuned writer: what it learns, and what it has from the assistant's settings."""
    theirs = identity(learner)
    own = {name: getattr(settings, name) for name in ("examples", "epochs")}
    return own | {name: theirs[name] for name in _AS_ASSISTANT}


def tune_writer(
    settings: Writer, learner: Assistant, data: Path, folder: Path, scratch: Path, compute: Compute, seed: int
) -> dict[str, Any]:
    """Write the tuned writer as plain safetensors; returns figures.

    Raises ``UserError`` where no question of the pool can be read back from its text, or is short enough.
    """
    pool = data / artifacts.TRAIN
    lessons, readables = _lessons(pool, settings.examples, seed)
    if not lessons:
        cure = "set questions.amount to 0, or see that choices differ and stand on one line each"
        raise UserError("questions", "no question of the pool can be read back from its own text", cure)
    set_seed(seed)
    model = load(learner.base, compute, "assistant.base", trained=True)
    cut(
        model,
        learner.shrink,
        [text for one in lessons for text in (one.prompt, one.completion) if text],
        "assistant.shrink",
    )
    model.network = make_adapter(learner.adapter, ADAPTER, scratch)(model, lessons)
    steps = max(1, math.ceil(settings.epochs * len(lessons) / learner.batch))
    training = Training(steps, learner.batch, learner.learning_rate, learner.max_tokens, learner.save_steps, seed)
    try:
        trained = fine_tune(model, lessons, training, scratch / "checkpoints", "tuning the writer of questions")
    except ValueError as error:
        raise UserError("assistant.max_tokens", str(error), "raise it") from error
    model.network = merged(model.network)
    model.save(folder / artifacts.MODEL)
    left_out = {"unreadable": count_rows(pool) - readables, "beyond_examples": readables - len(lessons)}
    return {"parameters": model.parameters, **left_out, **trained.figures()}


def _lessons(pool: Path, most: int, seed: int) -> tuple[list[Example], int]:
    """At most ``most`` examples, drawn by the seed, in the pool's order; and how many questions could be one."""
    manner = Manner(kind for _, kind in readable(iterate_rows(pool, Question)))
    draw = random.Random(seed)

    def placed() -> Any:
        for at, (text, kind) in enumerate(readable(iterate_rows(pool, Question))):
            yield draw.random(), at, text, kind

    chosen: list[tuple[float, int, str, Kind]] = nsmallest(most, placed(), key=lambda row: row[:2])
    found = sorted(chosen, key=lambda row: row[1])
    return [Example(manner.prompt(kind), text) for _, _, text, kind in found], len(manner)
