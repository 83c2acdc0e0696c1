"""Let the tuned assistant explain the whole pool, shard by shard, at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.assistant.filters import judge
from bridge_distill.config import Compute, Levels, Tutor
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.shards import in_shards
from bridge_distill.models.generate import Decoding
from bridge_distill.models.levels import explain
from bridge_distill.models.load import Model, load
from bridge_distill.records import Question, Rationale


def tutor(
    settings: Tutor,
    data: Path,
    assistant: Path,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
    levels: Levels = "joint",
) -> dict[str, Any]:
    """Write a ``Rationale`` for every question and sample, kept or not; returns figures.

    ``levels`` says how the assistant was taught, and so how it is asked.
    A killed run loses at most the shard under way.
    """
    questions = artifacts.train_questions(data)
    model = load(str(assistant / artifacts.MODEL), compute, "assistant")
    with progress("explaining", len(questions)) as tick:

        def write(part: Sequence[Question], start: int) -> list[Rationale]:
            return _explain(model, part, settings, levels, compute, seed + start, tick)

        rows = in_shards(questions, settings.shard, scratch, Rationale, write, tick)
    write_rows(folder / artifacts.RATIONALES, Rationale, rows)
    return {"questions": len(questions), "written": len(rows), "kept": dict(Counter(row.reason for row in rows))}


def _explain(
    model: Model,
    questions: Sequence[Question],
    settings: Tutor,
    levels: Levels,
    compute: Compute,
    seed: int,
    tick: Tick,
) -> list[Rationale]:
    decoding = Decoding(settings.max_new_tokens, settings.temperature, settings.samples)
    written = explain(model, questions, levels, decoding, compute.batch_tokens, seed, tick)
    return [
        judge(question, sample, generation, settings)
        for question, samples in zip(questions, written, strict=True)
        for sample, generation in enumerate(samples)
    ]
