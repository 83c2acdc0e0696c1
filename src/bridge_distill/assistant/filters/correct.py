"""Correct: the answer agrees with gold or, where gold is not known, with most of the question's samples."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.answers import is_correct
from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.records import Question


@filters.register("correct")
class Correct(Filter):
    """Refuse what disagrees with gold; without gold, what at most the share ``agreement`` of the samples say.

    Every sample that was written has a vote, also one that was cut off or gives no answer (for nobody). A
    single sample without gold agrees with itself and passes.
    """

    rank = 30

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """Two reasons: disagrees with gold, and no majority of samples."""
        if question.answer is None:
            least = self.settings.agreement
            return [None if sample.agreement > least else "no majority of samples" for sample in samples]
        return [None if is_correct(sample.answer, question) else "disagrees with gold" for sample in samples]
