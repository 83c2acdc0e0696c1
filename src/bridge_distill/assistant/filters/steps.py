"""Steps: what the explanation computes is computed right."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.arithmetic import failed_step
from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.records import Question


@filters.register("steps")
class Steps(Filter):
    """Refuse an explanation in which some equation of numbers does not hold (see ``arithmetic``)."""

    rank = 40

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: a step is computed wrongly."""
        return ["a step is computed wrongly" if failed_step(sample.text) else None for sample in samples]
