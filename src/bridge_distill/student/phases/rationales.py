"""Rationales after: explain, then answer, as the expert and the assistant did."""

from __future__ import annotations

from bridge_distill import prompts
from bridge_distill.models.train import Example
from bridge_distill.section import Section
from bridge_distill.student.contract import RATIONALES, Materials, Phase, curriculum_phases


@curriculum_phases.register("rationales")
class Rationales(Phase[Section]):
    """The task itself."""

    needs = frozenset({RATIONALES})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale after the prompt of its question."""
        asked = {question.id: prompts.local(question) for question in materials.questions}
        return [Example(asked[row.question_id], row.text) for row in materials.rationales]
