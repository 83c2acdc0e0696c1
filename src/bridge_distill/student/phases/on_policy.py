"""The student writes, the assistant grades every token: mistakes are corrected where the student makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from bridge_distill import prompts
from bridge_distill.config import Positive, Rate, Share
from bridge_distill.models.distillation.live import live
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example, Trained, fine_tune
from bridge_distill.section import Section
from bridge_distill.student.contract import ASSISTANT, RATIONALES, Lesson, Materials, Phase, curriculum_phases


class Options(Section):
    """``own`` is the share of steps whose texts the student writes, the others read kept rationales; ``beta`` 0 is
    forward Kullback-Leibler, 1 reverse, 0.5 Jensen-Shannon (docs/distillation.md).

    ``temperature`` softens both distributions, ``write_temperature`` is that of the student's draws.
    """

    own: Annotated[float, Field(ge=0, le=1)] = 0.5
    weight: Share = 1.0
    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: Rate = 1.0
    write_temperature: Rate = 1.0
    max_new_tokens: Positive = 160


@curriculum_phases.register("on_policy")
class OnPolicy(Phase[Options]):
    """Generalised knowledge distillation (arXiv 2306.13649)."""

    options = Options
    needs = frozenset({RATIONALES, ASSISTANT})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale after the prompt of its question; the student's own steps use the prompt alone."""
        asked = {question.id: prompts.local(question) for question in materials.questions}
        return [Example(asked[row.question_id], row.text) for row in materials.rationales]

    def teach(self, model: Model, lesson: Lesson) -> Trained:
        """Tune the model on its own and on kept texts; the tokens are those that were really trained on."""
        assert lesson.assistant is not None
        settings = self.settings
        objective = live(
            model,
            lesson.assistant,
            lesson.compute,
            lesson.examples,
            lesson.training,
            Mix(settings.weight, settings.beta, settings.temperature),
            settings.own,
            Decoding(settings.max_new_tokens, settings.write_temperature),
            lesson.scratch / "tokens",
        )
        checkpoints = lesson.scratch / "checkpoints"
        trained = fine_tune(
            model,
            lesson.examples,
            lesson.training,
            checkpoints,
            lesson.label,
            order=lesson.order,
            objective=objective,
        )
        return replace(trained, tokens=objective.figures()["tokens"])
