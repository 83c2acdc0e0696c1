"""Finished: the model ended the explanation itself."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.assistant.contract import CUT_OFF, Filter, Sample, filters
from bridge_distill.records import Question


@filters.register("finished")
class Finished(Filter):
    """Refuse what the limit ``max_new_tokens`` cut off."""

    rank = 10

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: cut off."""
        return [None if sample.finished else CUT_OFF for sample in samples]
