"""Answer: the explanation ends with an answer of the question's form."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.records import Question


@filters.register("answer")
class Answer(Filter):
    """Refuse what gives no answer that the shared parser can read."""

    rank = 20

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: no readable answer."""
        return ["no readable answer" if sample.answer is None else None for sample in samples]
