"""Best: of what is left of a question's samples, those of the highest quality."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.assistant.quality import quality
from bridge_distill.records import Question


@filters.register("best")
class Best(Filter):
    """Refuse all but the ``keep_best`` samples of a question that score highest (see ``quality``)."""

    rank = 80

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: others score higher."""
        order = sorted(range(len(samples)), key=lambda at: (-quality(samples[at]), samples[at].sample))
        kept = set(order[: self.settings.keep_best])
        return [None if at in kept else "others score higher" for at in range(len(samples))]
