"""Kept rationales with the assistant's probabilities: what else it might have said, and how sure it was."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill.config import Positive, Rate, Share
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.distillation.stored import stored
from bridge_distill.models.distillation.trained import Distilled
from bridge_distill.models.load import Model, load
from bridge_distill.models.train import Example
from bridge_distill.student.contract import ASSISTANT, RATIONALES, Lesson, Materials, Phase, curriculum_phases
from bridge_distill.student.phases.rationales import Rationales, RationalesOptions


class DistilOptions(RationalesOptions):
    """``weight`` is the share of the divergence in the loss, the rest is cross-entropy (docs/distillation.md).

    ``beta`` 0 is forward Kullback-Leibler, 1 reverse. Both distributions are softened by ``temperature``; of the
    assistant's, the ``top_k`` likeliest tokens are kept.
    """

    weight: Share = 0.5
    beta: Annotated[float, Field(ge=0, le=1)] = 0.0
    temperature: Rate = 1.0
    top_k: Positive = 32


@curriculum_phases.register("distil")
class Distil(Phase[DistilOptions]):
    """Off-policy distillation: the assistant reads each text once."""

    options = DistilOptions
    needs = frozenset({RATIONALES, ASSISTANT})

    def examples(self, materials: Materials) -> list[Example]:
        """Those of the phase ``rationales``."""
        return Rationales(self.settings, self.place).examples(materials)

    def teach(self, model: Model, lesson: Lesson) -> Distilled:
        """Have the assistant read the texts, then learn from both."""
        settings = self.settings
        objective = stored(
            model,
            load(str(lesson.assistant), lesson.compute, self.place),
            lesson.examples,
            lesson.rows,
            settings.top_k,
            Mix(settings.weight, settings.beta, settings.temperature),
            lesson.scratch / "grades",
            lesson.compute.batch_tokens,
            "the assistant reads what the student learns",
        )
        return Distilled(**vars(lesson.tune(model, objective)), assistant_tokens=objective.grades.read)
