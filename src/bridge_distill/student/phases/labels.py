"""The answer alone, right after the question: tuning on labels, which is what a rationale has to beat."""

from __future__ import annotations

from bridge_distill import prompts
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example
from bridge_distill.section import Section
from bridge_distill.student.contract import Materials, Phase, curriculum_phases


@curriculum_phases.register("labels")
class Labels(Phase[Section]):
    """The task without a rationale: from gold, so that it costs nothing and needs no teacher."""

    def examples(self, materials: Materials) -> list[Example]:
        """The gold answer of every question that has one, after the prompt that the student is tested with."""
        made = [
            Example(prompts.local(question), prompts.answer_line(question.answer))
            for question in materials.questions
            if question.answer is not None
        ]
        if not made:
            raise UserError(self.place, "no question has a gold answer to learn", "give data with answers")
        return made
