"""Instructions first: read the domain's questions, answer in the right form, and stop.

BRIDGE tutors "instruction first"; how is not public. From an instruction file where one is given,
else from the pool itself: repeating a question (which also heals a freshly cut model, since copying is
what dropped layers break first) and writing the last line in the form of the answer. No gold answer
is shown beside its question.
"""

from __future__ import annotations

from bridge_distill import prompts
from bridge_distill.models.train import Example
from bridge_distill.records import Question
from bridge_distill.section import Section
from bridge_distill.student.contract import Materials, Phase, curriculum_phases


@curriculum_phases.register("instruct")
class Instruct(Phase[Section]):
    """Warm-up on behaviour, not on the task."""

    warm_up = True

    def examples(self, materials: Materials) -> list[Example]:
        """The instruction file's rows, if any, and one repetition and one answer line a question."""
        made = [example for question in materials.questions for example in _from_question(question)]
        return materials.instructions + made


def _from_question(question: Question) -> list[Example]:
    made = [Example(f"Repeat the question: {question.text}", question.text)]
    if question.answer is not None:
        ask = f"The answer is {question.answer}. Write the last line."
        made.append(Example(ask, prompts.answer_line(question.answer)))
    return made
