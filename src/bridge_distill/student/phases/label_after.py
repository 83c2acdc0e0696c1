"""Answer first, then explain: the rationale teaches, and need not be written to answer.

For very small models it beat explaining first, in GPT-2, Phi-1.5 and Gemma-2B (Wadhwa et al. 2024, Investigating
Mysteries of CoT-Augmented Distillation, arXiv 2406.14511).
"""

from __future__ import annotations

from bridge_distill import prompts
from bridge_distill.models.train import Example
from bridge_distill.records import Question, Rationale
from bridge_distill.section import Section
from bridge_distill.student.contract import RATIONALES, Materials, Phase, curriculum_phases


@curriculum_phases.register("label_after")
class LabelAfter(Phase[Section]):
    """The task, its answer before its reasons."""

    needs = frozenset({RATIONALES})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale behind its own answer; one without an answer has gold's, or stays as it is."""
        asked = {question.id: question for question in materials.questions}
        return [_turned(asked[row.question_id], row) for row in materials.rationales]


def _turned(question: Question, row: Rationale) -> Example:
    answer = question.answer if row.answer is None else row.answer
    text = row.text if answer is None else prompts.answer_first(prompts.explanation(row.text), answer)
    return Example(prompts.local(question), text)
