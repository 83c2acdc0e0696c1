"""Length: no longer than the student can be taught with."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.records import Question


@filters.register("length")
class Length(Filter):
    """Refuse more than ``max_words`` words."""

    rank = 60

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: too long."""
        return ["too long" if len(sample.text.split()) > self.settings.max_words else None for sample in samples]
