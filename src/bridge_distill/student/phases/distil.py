"""Kept rationales with the assistant's probabilities: what else it might have said, and how sure it was."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill import prompts
from bridge_distill.config import Positive, Rate, Share
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.distillation.stored import stored
from bridge_distill.models.load import Model, load
from bridge_distill.models.train import Example, Trained, fine_tune
from bridge_distill.section import Section
from bridge_distill.student.contract import ASSISTANT, RATIONALES, Lesson, Materials, Phase, curriculum_phases


class Options(Section):
    """``weight`` is the share of the divergence in the loss, the rest is cross-entropy; ``beta`` 0 is forward
    Kullback-Leibler, 1 reverse. Of each token the assistant's ``top_k`` likeliest are kept (docs/distillation.md).
    """

    weight: Share = 0.5
    beta: Annotated[float, Field(ge=0, le=1)] = 0.0
    temperature: Rate = 1.0
    top_k: Positive = 32


@curriculum_phases.register("distil")
class Distil(Phase[Options]):
    """Off-policy distillation: the assistant reads each text once."""

    options = Options
    needs = frozenset({RATIONALES, ASSISTANT})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale after the prompt of its question."""
        asked = {question.id: prompts.local(question) for question in materials.questions}
        return [Example(asked[row.question_id], row.text) for row in materials.rationales]

    def teach(self, model: Model, lesson: Lesson) -> Trained:
        """Have the assistant read the texts, then learn from both."""
        mix = Mix(self.settings.weight, self.settings.beta, self.settings.temperature)
        objective = stored(
            model,
            load(str(lesson.assistant), lesson.compute, self.place),
            lesson.examples,
            lesson.training.max_tokens,
            self.settings.top_k,
            mix,
            lesson.scratch / "grades",
            lesson.compute.batch_tokens,
            "the assistant reads what the student learns",
        )
        checkpoints = lesson.scratch / "checkpoints"
        return fine_tune(
            model,
            lesson.examples,
            lesson.training,
            checkpoints,
            lesson.label,
            order=lesson.order,
            objective=objective,
        )
