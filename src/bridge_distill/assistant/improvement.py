"""A round of self-improvement: the tuned assistant explains the pool, and what is right and clean is to be learnt.

STaR (Zelikman et al. 2022, arXiv 2203.14465): a question that was missed is asked again with its answer as a
hint, and what is then explained well is learnt without the hint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts
from bridge_distill.answers import is_correct, majority
from bridge_distill.assistant.sieve import Sieve
from bridge_distill.assistant.tutor import explanations
from bridge_distill.config import Assistant, Compute
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import iterate_rows, write_rows
from bridge_distill.models.generator import Generator, open_generator
from bridge_distill.records import ASSISTANT, HINTED, Question, Rationale
from bridge_distill.statistics import interval

TOLD = "speaks of the hint"
QuestionsFn = Callable[[], Iterator[Question]]


def improve(
    settings: Assistant,
    data: Path,
    teach: Path,
    tuned: Path,
    before: Path | None,
    held_out: Set[str],
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
) -> dict[str, Any]:
    """Write a ``Rationale`` for every sample of every question without a paid one, kept or not; returns figures.

    ``tuned`` is the assistant that explains, ``before`` the round that it has learnt from, ``held_out`` the ids of
    questions that must not be learnt. A killed round loses at most the shard under way.
    """
    paid = {row.question_id for row in artifacts.rationales(teach) if row.kept}
    learnt = set() if before is None else _kept(before)
    generator = open_generator(str(tuned / artifacts.MODEL), compute, "assistant")
    plain, hinted = _Round(settings, learnt), _Round(settings, learnt)

    def asked() -> Iterator[Question]:
        rows = iterate_rows(data / artifacts.TRAIN, Question)
        return (question for question in rows if question.id not in paid and question.id not in held_out)

    def missed() -> Iterator[Question]:
        left = (question for question in asked() if question.id not in plain.joined)
        return (prompts.hinted(question, question.answer) for question in left if question.answer is not None)

    def rows() -> Iterator[Rationale]:
        yield from plain.explained(generator, asked, ASSISTANT, scratch / "plain", seed)
        if settings.improve.hints:
            yield from hinted.explained(generator, missed, HINTED, scratch / "hinted", seed)

    write_rows(folder / artifacts.RATIONALES, Rationale, rows())
    return {**plain.figures(), **({"hinted": hinted.figures()} if settings.improve.hints else {})}


def _kept(folder: Path) -> set[str]:
    return {row.question_id for row in iterate_rows(folder / artifacts.RATIONALES, Rationale) if row.kept}


@dataclass
class _Round:
    """One pass over questions with its counts; ``learnt`` are those that the assistant has learnt itself."""

    settings: Assistant
    learnt: Set[str]
    asked: int = 0
    kept: int = 0
    told: int = 0
    joined: set[str] = field(default_factory=set)
    right: Counter[bool] = field(default_factory=Counter)
    right_unlearnt: Counter[bool] = field(default_factory=Counter)
    filters: list[dict[str, Any]] = field(default_factory=list)

    def explained(
        self, generator: Generator, questions: QuestionsFn, author: str, scratch: Path, seed: int
    ) -> Iterator[Rationale]:
        """Every sample of the questions in order, one question in memory."""
        scratch.mkdir(parents=True, exist_ok=True)
        chosen, levels = self.settings.improve, self.settings.levels
        total = sum(1 for _ in questions())
        with progress(f"explaining ({author})", total) as tick, closing(Sieve(chosen, scratch)) as sieve:
            written = explanations(generator, questions(), chosen, levels, scratch, seed, tick)
            sieve.survey(written)
            rows = sieve.sift(questions(), written)
            for question in questions():
                made = [replace(row, author=author) for row in islice(rows, chosen.samples)]
                made = self._without_hints(question, made) if author == HINTED else made
                self._count(question, made)
                yield from made
            self.filters = sieve.table() + ([self._hints()] if author == HINTED else [])

    def figures(self) -> dict[str, Any]:
        """Plain values for a record; shares are of questions whose answer is known, by their commonest answer."""
        return {
            "asked": self.asked,
            "written": self.asked * self.settings.improve.samples,
            "kept": self.kept,
            "joined": len(self.joined),
            "right": _share(self.right),
            "right_unlearnt": _share(self.right_unlearnt),
            "filters": self.filters,
        }

    def _without_hints(self, question: Question, made: Sequence[Rationale]) -> list[Rationale]:
        """Refuse explanations that speak of the hint, which they are learnt without."""
        told = [row.kept and prompts.speaks_of_hint(row.text, question) for row in made]
        self.told += sum(told)
        return [replace(row, kept=False, reason=TOLD) if bad else row for row, bad in zip(made, told, strict=True)]

    def _hints(self) -> dict[str, Any]:
        """That refusal as one more filter."""
        counts = {"in": self.kept + self.told, "removed": self.told, "out": self.kept}
        return {"filter": "hint", **counts, "reasons": {TOLD: self.told} if self.told else {}}

    def _count(self, question: Question, made: Sequence[Rationale]) -> None:
        self.asked += 1
        kept = sum(row.kept for row in made)
        self.kept += kept
        if kept:
            self.joined.add(question.id)
        if question.answer is not None:
            right = is_correct(majority([row.answer for row in made], question)[0], question)
            self.right[right] += 1
            if question.id not in self.learnt:
                self.right_unlearnt[right] += 1


def _share(counted: Counter[bool]) -> dict[str, Any] | None:
    """How many of how many with Wilson's 95% interval; None of none."""
    if not counted.total():
        return None
    low, high = interval(counted[True], counted.total())
    return {"correct": counted[True], "n": counted.total(), "low": low, "high": high}
