"""Write texts until enough of them are new questions, in the pool's manner and near no other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.assistant.contract import CUT_OFF
from bridge_distill.assistant.questions.guard import Guard
from bridge_distill.assistant.questions.manner import Kind, Manner, read, readable
from bridge_distill.config import Questions
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.rows import iterate_rows, write_rows
from bridge_distill.engine.shards import shard_files
from bridge_distill.models.generator import Asked, Decoding, Generator
from bridge_distill.records import Draft, Question

UNREADABLE = "not readable as a question"


@dataclass(frozen=True, slots=True)
class _Text:
    """One text as it was written, on disk until all of its shard are judged."""

    text: str
    finished: bool


def write_questions(
    settings: Questions, data: Path, writer: Generator, folder: Path, scratch: Path, seed: int
) -> dict[str, Any]:
    """Write a ``Draft`` for every text that was judged, and the ``Question`` of each that is kept; returns figures.

    Ends with ``amount`` questions, or after ``tries`` texts for each of them. A killed run loses at most the shard
    under way. Neither the pool nor the texts are ever all in memory.
    """
    pool = data / artifacts.TRAIN
    manner = Manner(kind for _, kind in readable(iterate_rows(pool, Question)))
    test, questions = artifacts.test_questions(data), iterate_rows(pool, Question)
    with (
        closing(Guard(test, questions, settings.writer.max_alike, scratch)) as guard,
        progress("writing questions", settings.amount * settings.writer.tries) as tick,
    ):
        texts = _texts(manner, writer, settings, scratch, seed, tick)
        write_rows(folder / artifacts.DRAFTS, Draft, _judged(texts, guard, settings.amount))
    write_rows(folder / artifacts.QUESTIONS, Question, _kept(folder / artifacts.DRAFTS))
    reasons = Counter(draft.reason for draft in iterate_rows(folder / artifacts.DRAFTS, Draft))
    written, kept = reasons.total(), reasons.pop("kept", 0)
    return {"wanted": settings.amount, "written": written, "kept": kept, "refused": dict(reasons.most_common())}


def _texts(
    manner: Manner, writer: Generator, settings: Questions, scratch: Path, seed: int, tick: Tick
) -> Iterator[tuple[Kind, _Text]]:
    """The kind that is asked for at each place, and the text that is written; each shard on disk before it is read."""

    def make(part: Sequence[int], _: int, file: Path) -> None:
        asked = [Asked(manner.prompt(manner.drawn(seed, place))) for place in part]
        made = writer.write(asked, decoding, seed, tick, part)
        write_rows(file, _Text, (_Text(one.text, one.finished) for [one] in made))

    decoding = Decoding(settings.writer.max_new_tokens, settings.writer.temperature)
    most = settings.amount * settings.writer.tries
    places = iter(range(most))
    for file in shard_files(range(most), settings.shard, scratch, make, tick):
        for text in iterate_rows(file, _Text):
            yield manner.drawn(seed, next(places)), text


def _judged(texts: Iterable[tuple[Kind, _Text]], guard: Guard, amount: int) -> Iterator[Draft]:
    """Each text with the first reason that applies, until ``amount`` are kept: what is beyond is not looked at."""
    for kind, written in texts:
        question = read(written.text, kind) if written.finished else None
        reason = guard.refusal(question) if question else UNREADABLE if written.finished else CUT_OFF
        name = question.id if question else ""
        yield Draft(name, written.text, kind.form, kind.listed, kind.domain, reason is None, reason or "kept")
        amount -= reason is None
        if not amount:
            return


def _kept(drafts: Path) -> Iterator[Question]:
    for draft in iterate_rows(drafts, Draft):
        question = read(draft.text, Kind(draft.form, draft.listed, draft.domain)) if draft.kept else None
        if question is not None:
            yield question
