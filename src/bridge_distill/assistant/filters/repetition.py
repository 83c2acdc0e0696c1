"""Repetition: the explanation does not go round in circles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.records import Question

_REPEATED_WORDS = 8
_TIMES = 3


@filters.register("repetition")
class Repetition(Filter):
    """Refuse what says some run of eight words at least three times."""

    rank = 50

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: repetition."""
        return ["repetition" if _repeats(sample.text) else None for sample in samples]


def _repeats(text: str) -> bool:
    words = text.split()
    runs = Counter(tuple(words[i : i + _REPEATED_WORDS]) for i in range(len(words) - _REPEATED_WORDS + 1))
    return any(count >= _TIMES for count in runs.values())
