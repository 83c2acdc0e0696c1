"""The filters in their order, one question at a time, and what each let through and refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.assistant.quality import quality
from bridge_distill.config import Explaining
from bridge_distill.records import ASSISTANT, Question, Rationale
from bridge_distill.traces import parse


@dataclass
class _Step:
    name: str
    filter: Filter
    seen: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def check(settings: Explaining, place: str) -> None:
    """Raise ``UserError`` for a filter's name that none answers to; ``place`` is the section's dotted path."""
    for name in settings.filters:
        filters.get(name, f"{place}.filters")


class Sieve:
    """The filters that ``settings`` names, made once for a pool; ``scratch`` is a folder for what they keep."""

    def __init__(self, settings: Explaining, scratch: Path) -> None:
        self._samples = settings.samples
        members = sorted(((filters.get(name, "filters"), name) for name in settings.filters), key=_order)
        self._steps = [_Step(name, member(settings, scratch)) for member, name in members]

    def survey(self, samples: Iterable[Sample]) -> None:
        """Tell the filters that need it of every sample of the pool, which is then judged; else read nothing."""
        whole = [step.filter for step in self._steps if step.filter.whole_pool]
        for sample in samples if whole else ():
            for each in whole:
                each.survey(sample)

    def sift(self, questions: Iterable[Question], samples: Iterable[Sample]) -> Iterator[Rationale]:
        """Every sample as a rationale, kept or not, with the first reason that applies; one question in memory.

        ``samples`` are those of the first question, then those of the next, and have been surveyed.
        """
        left = iter(samples)
        for question in questions:
            yield from self.judged(question, list(islice(left, self._samples)))

    def table(self) -> list[dict[str, Any]]:
        """What each filter saw, refused (by reason) and let through, in order, as plain JSON."""
        return [
            {
                "filter": step.name,
                "in": step.seen,
                "removed": step.refused.total(),
                "out": step.seen - step.refused.total(),
                "reasons": dict(step.refused.most_common()),
            }
            for step in self._steps
        ]

    def close(self) -> None:
        """Let every filter go of what it opened."""
        for step in self._steps:
            step.filter.close()

    def judged(self, question: Question, made: list[Sample]) -> Iterator[Rationale]:
        """The samples of the question that comes next."""
        left = made
        reasons: dict[int, str] = {}
        for step in self._steps:
            if not left:
                break
            step.seen += len(left)
            found = step.filter.refuse(question, left)
            refused = {sample.sample: reason for sample, reason in zip(left, found, strict=True) if reason}
            step.refused.update(refused.values())
            reasons |= refused
            left = [sample for sample in left if sample.sample not in refused]
        for step in self._steps:
            step.filter.settle(left)
        for sample in made:
            yield rationale_of(sample, reasons.get(sample.sample))


def rationale_of(sample: Sample, reason: str | None) -> Rationale:
    """A sample as a rationale; ``reason`` says why it is not kept, None where it is."""
    trace = parse(sample.text)
    return Rationale(
        sample.question_id,
        sample.sample,
        ASSISTANT,
        sample.text,
        sample.answer,
        reason is None,
        reason or "kept",
        quality(sample),
        None if trace is None else trace.strategy,
    )


def _order(member: tuple[type[Filter], str]) -> tuple[int, str]:
    return member[0].rank, member[1]
