"""Let the tuned assistant explain the whole pool, shard by shard, at no cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.answers import read_answer
from bridge_distill.assistant.contract import Sample
from bridge_distill.assistant.sieve import Sieve
from bridge_distill.config import Compute, Levels, Tutor
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.rows import count_rows, iterate_rows, write_rows
from bridge_distill.engine.shards import shard_files
from bridge_distill.models.generator import Decoding, Generation, Generator, open_generator
from bridge_distill.models.levels import explain
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

    ``levels`` says how the assistant was taught, and so how it is asked. A killed run loses at most the shard under
    way. Neither questions nor explanations are ever all in memory.
    """
    pool = data / artifacts.TRAIN
    generator = open_generator(str(assistant / artifacts.MODEL), compute, "assistant")
    questions = count_rows(pool)
    with progress("explaining", questions) as tick, closing(Sieve(settings, scratch)) as sieve:
        written = _written(generator, pool, settings, levels, scratch, seed, tick)
        write_rows(folder / artifacts.RATIONALES, Rationale, sieve.sift(iterate_rows(pool, Question), written))
    table = sieve.table()
    refused = sum(step["removed"] for step in table)
    return {
        "questions": questions,
        "written": questions * settings.samples,
        "kept": questions * settings.samples - refused,
        "filters": table,
    }


def _written(
    generator: Generator, pool: Path, settings: Tutor, levels: Levels, scratch: Path, seed: int, tick: Tick
) -> Iterator[Sample]:
    """The samples of every question in order, each shard on disk before it is read."""

    def make(part: Sequence[Question], start: int, file: Path) -> None:
        decoding = Decoding(settings.max_new_tokens, settings.temperature, settings.samples)
        made = explain(generator, part, levels, decoding, seed, tick, start)
        rows = [row for pair in zip(part, made, strict=True) for row in _samples(*pair)]
        write_rows(file, Sample, rows)

    for file in shard_files(iterate_rows(pool, Question), settings.shard, scratch, make, tick):
        yield from iterate_rows(file, Sample)


def _samples(question: Question, written: Sequence[Generation]) -> list[Sample]:
    answers = [read_answer(generation.text, question) for generation in written]
    return [
        Sample(
            question.id,
            number,
            generation.text,
            answer,
            generation.finished,
            generation.log_probability,
            0.0 if answer is None else answers.count(answer) / len(answers),
        )
        for number, (generation, answer) in enumerate(zip(written, answers, strict=True))
    ]
