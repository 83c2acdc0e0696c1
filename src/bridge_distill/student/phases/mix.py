"""Short and long rationales at a ratio: very small models learn more from short ones, and most from a mixture.

One long one to four short ones is the ratio of Mix-Long (Li et al. 2025, Small Models Struggle to Learn from Strong
Reasoners, arXiv 2502.12143), whose students are far larger: a point to start from.
"""

from __future__ import annotations

from statistics import median
from typing import Annotated

from pydantic import Field

from bridge_distill import prompts
from bridge_distill.config import Positive
from bridge_distill.models.train import Example
from bridge_distill.section import Section
from bridge_distill.student.contract import RATIONALES, Materials, Phase, curriculum_phases
from bridge_distill.student.mixing import mixed


class MixOptions(Section):
    """``long_share``: how much of what is seen are long rationales, those of more than ``long_tokens``.

    None takes the median of the kept ones, so that half of them are long.
    """

    long_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    long_tokens: Positive | None = None


@curriculum_phases.register("mix")
class Mix(Phase[MixOptions]):
    """The task, in short and in long."""

    options = MixOptions
    needs = frozenset({RATIONALES})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale after the prompt of its question, the kind that is too rare repeated."""
        asked = {question.id: prompts.local(question) for question in materials.questions}
        sized = [(materials.tokens(row.text), row) for row in materials.rationales]
        limit = self.settings.long_tokens or median(size for size, _ in sized)
        long, short = [row for size, row in sized if size > limit], [row for size, row in sized if size <= limit]
        return [Example(asked[row.question_id], row.text) for row in mixed(long, short, self.settings.long_share)]
