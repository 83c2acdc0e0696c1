"""Rationales: explain, then answer, as the expert and the assistant did."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill import prompts
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example
from bridge_distill.records import EXPERT
from bridge_distill.section import Section
from bridge_distill.student.contract import RATIONALES, Materials, Phase, curriculum_phases
from bridge_distill.student.mixing import mixed


class RationalesOptions(Section):
    """``paid_share``: how much of what is seen are paid rationales; None sees each rationale as often as any other."""

    paid_share: Annotated[float, Field(ge=0, le=1)] | None = None


@curriculum_phases.register("rationales")
class Rationales(Phase[RationalesOptions]):
    """The task itself."""

    options = RationalesOptions
    needs = frozenset({RATIONALES})

    def examples(self, materials: Materials) -> list[Example]:
        """Every kept rationale after the prompt of its question, the rarer kind repeated where a share is asked."""
        asked = {question.id: prompts.local(question) for question in materials.questions}
        rows, share = materials.rationales, self.settings.paid_share
        if share is not None:
            paid, own = [row for row in rows if row.author == EXPERT], [row for row in rows if row.author != EXPERT]
            rows = mixed(paid, own, share)
        if not rows:
            problem = f"{share:g} leaves out every kept rationale"
            raise UserError(f"{self.place}.paid_share", problem, "choose a share between 0 and 1")
        return [Example(asked[row.question_id], row.text) for row in rows]
