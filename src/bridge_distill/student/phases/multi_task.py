"""Distilling step-by-step (Hsieh et al. 2023, arXiv 2305.02301): answer and explanation are two tasks of one model.

The answer is asked for as in the test, so the student answers at once; the explanation has a prompt of its own and is
never written in the test. Both tasks are learnt side by side, at a ratio of their losses.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill import prompts
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example
from bridge_distill.section import Section
from bridge_distill.student.contract import RATIONALES, Materials, Phase, curriculum_phases
from bridge_distill.student.mixing import mixed


class MultiTaskOptions(Section):
    """``rationale_weight``: how much of the loss the explanations are; the paper has one half."""

    rationale_weight: Annotated[float, Field(gt=0, lt=1)] = 0.5


@curriculum_phases.register("multi_task")
class MultiTask(Phase[MultiTaskOptions]):
    """The task, and its reasons beside it."""

    options = MultiTaskOptions
    needs = frozenset({RATIONALES})

    def examples(self, materials: Materials) -> list[Example]:
        """Of every kept rationale its answer (gold's where that is known), and its explanation.

        An answer's tokens weigh as much as an explanation's, however much longer those are, and the task that is to
        count more is repeated. Weights alone would not do: examples of like length meet in a step, so most steps hold
        one task, and a step's loss is a mean by weight.
        """
        asked = {question.id: question for question in materials.questions}
        labels, reasons = [], []
        for row in materials.rationales:
            question = asked[row.question_id]
            answer = row.answer if question.answer is None else question.answer
            if answer is not None:
                labels.append((prompts.local(question), prompts.answer_line(answer)))
            reasons.append((prompts.explain(question), prompts.explanation(row.text)))
        if not labels:
            raise UserError(self.place, "no kept rationale has an answer to learn", "leave the phase out")
        weight = _mean_tokens(materials, reasons) / _mean_tokens(materials, labels)
        return mixed(
            [Example(prompt, text) for prompt, text in reasons],
            [Example(prompt, text, ((text, weight),)) for prompt, text in labels],
            self.settings.rationale_weight,
        )


def _mean_tokens(materials: Materials, pairs: list[tuple[str, str]]) -> float:
    """What is learnt of one of these texts: its tokens, and its end."""
    return sum(materials.tokens(text) + 1 for _, text in pairs) / len(pairs)
