"""Let the tuned assistant explain the whole pool, shard by shard, at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, guidance
from bridge_distill.answers import as_one, read_answer
from bridge_distill.assistant.contract import CUT_OFF, Sample
from bridge_distill.assistant.sieve import Sieve
from bridge_distill.config import Compute, Explaining, Guide, Levels, Tutor
from bridge_distill.engine.progress import Tick, progress, tell_cut_off
from bridge_distill.engine.rows import count_rows, iterate_rows, write_rows
from bridge_distill.engine.shards import shard_files
from bridge_distill.models.generator import Decoding, Generation, Generator, open_generator
from bridge_distill.models.levels import explain
from bridge_distill.records import Question, Rationale

Written = Sequence[Generation | guidance.Draft]


class Explanations(Iterable[Sample]):
    """Samples in order, each shard on disk before it is read; gone through again, they are only read."""

    def __init__(self, files: Iterator[Path]) -> None:
        self._made: list[Path] = []
        self._left = files

    def __iter__(self) -> Iterator[Sample]:
        for file in self._made:
            yield from iterate_rows(file, Sample)
        for file in self._left:
            self._made.append(file)
            yield from iterate_rows(file, Sample)


def tutor(
    settings: Tutor,
    data: Path,
    assistant: Path,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
    levels: Levels = "joint",
    plans: guidance.Plans | None = None,
) -> dict[str, Any]:
    """Write a ``Rationale`` for every question and sample, kept or not; returns figures.

    ``levels`` says how the assistant was taught, and so how it is asked; ``plans`` are the strategies that a guide
    gives, if it gives any. A killed run loses at most the shard under way. Neither questions nor explanations are
    ever all in memory.
    """
    pool = data / artifacts.TRAIN
    generator = open_generator(str(assistant / artifacts.MODEL), compute, "assistant")
    questions, seen = count_rows(pool), Counter[str]()
    with progress("explaining", questions) as tick, closing(Sieve(settings, scratch)) as sieve:
        explained = explanations(
            generator, iterate_rows(pool, Question), settings, levels, scratch, seed, tick, settings.guide, plans
        )
        sieve.survey(explained)
        written = _counted(explained, seen)
        write_rows(folder / artifacts.RATIONALES, Rationale, sieve.sift(iterate_rows(pool, Question), written))
    tell_cut_off(seen[CUT_OFF], questions * settings.samples, "tutor.max_new_tokens", settings.max_new_tokens)
    table = sieve.table()
    refused = sum(step["removed"] for step in table)
    return {
        "questions": questions,
        "written": questions * settings.samples,
        "kept": questions * settings.samples - refused,
        "filters": table,
        **({} if settings.guide is None else {"acts": {act: seen[act] for act in guidance.ACTS}}),
    }


def explanations(
    generator: Generator,
    questions: Iterable[Question],
    settings: Explaining,
    levels: Levels,
    scratch: Path,
    seed: int,
    tick: Tick,
    guide: Guide | None = None,
    plans: guidance.Plans | None = None,
) -> Explanations:
    """The samples of every question, in order."""
    decoding = Decoding(settings.max_new_tokens, settings.temperature, settings.samples)

    def write(part: Sequence[Question], start: int) -> Sequence[Written]:
        if guide is None:
            return explain(generator, part, levels, decoding, seed, tick, start)
        return guidance.explain(generator, part, guide, decoding, seed, plans, tick, start)

    def make(part: Sequence[Question], start: int, file: Path) -> None:
        rows = [row for pair in zip(part, write(part, start), strict=True) for row in _samples(*pair)]
        write_rows(file, Sample, rows)

    return Explanations(shard_files(questions, settings.shard, scratch, make, tick))


def _counted(samples: Iterable[Sample], seen: Counter[str]) -> Iterator[Sample]:
    for sample in samples:
        seen.update(sample.acts or [])
        seen[CUT_OFF] += not sample.finished
        yield sample


def _samples(question: Question, written: Written) -> list[Sample]:
    answers = [read_answer(one.text, question) for one in written]
    meant = as_one(answers, question)
    return [
        Sample(
            question.id,
            number,
            one.text,
            answer,
            one.finished,
            one.log_probability,
            0.0 if answer is None else meant.count(meant[number]) / len(meant),
            one.acts if isinstance(one, guidance.Draft) else None,
        )
        for number, (one, answer) in enumerate(zip(written, answers, strict=True))
    ]
