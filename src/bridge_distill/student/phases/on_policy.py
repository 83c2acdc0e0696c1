"""The student writes, the assistant grades every token: mistakes are corrected where the student makes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill.config import Positive, Rate, Share
from bridge_distill.models.distillation.live import live
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.distillation.trained import Distilled
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example
from bridge_distill.student.contract import ASSISTANT, RATIONALES, Lesson, Materials, Phase, curriculum_phases
from bridge_distill.student.phases.rationales import Rationales, RationalesOptions


class OnPolicyOptions(RationalesOptions):
    """``own`` is the share of steps whose texts the student writes; the others are of kept rationales.

    ``weight`` is the share of the divergence in the loss; ``beta`` 0 is forward Kullback-Leibler, 1 reverse, 0.5
    Jensen-Shannon. ``temperature`` softens both distributions, ``write_temperature`` is that of the student's draws
    (docs/distillation.md).
    """

    own: Annotated[float, Field(ge=0, le=1)] = 0.5
    weight: Share = 1.0
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: Rate = 1.0
    write_temperature: Rate = 1.0
    max_new_tokens: Positive = 160


@curriculum_phases.register("on_policy")
class OnPolicy(Phase[OnPolicyOptions]):
    """Generalised knowledge distillation (arXiv 2306.13649)."""

    options = OnPolicyOptions
    needs = frozenset({RATIONALES, ASSISTANT})
    writes = True

    def examples(self, materials: Materials) -> list[Example]:
        """Those of the phase ``rationales``; the student's own steps use their prompts alone."""
        return Rationales(self.settings, self.place).examples(materials)

    def teach(self, model: Model, lesson: Lesson) -> Distilled:
        """Tune the model on its own and on kept texts; ``tokens`` are those that it was really trained on."""
        assert lesson.assistant is not None, "the pipeline gives a phase what it needs"
        settings = self.settings
        objective = live(
            model,
            lesson.assistant,
            lesson.compute,
            lesson.examples,
            lesson.rows,
            lesson.training.seed,
            Mix(settings.weight, settings.beta, settings.temperature),
            settings.own,
            Decoding(settings.max_new_tokens, settings.write_temperature),
            lesson.scratch / "tokens",
        )
        trained = lesson.tune(model, objective)
        found = objective.figures()
        counted = {**vars(trained), "tokens": found["tokens"]}
        return Distilled(**counted, assistant_tokens=found["read"], written_tokens=found["written"])
