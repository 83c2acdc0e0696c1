"""Heal a freshly cut model: read the domain's own texts, every token of them learnt.

Layers that were cut out leave a model that has lost its language for a while; a little plain next-token training brings
most of it back (Muralidharan et al. 2024, Compact Language Models via Pruning and Knowledge Distillation, arXiv
2407.14679; Gromov et al. 2024, The Unreasonable Ineffectiveness of the Deeper Layers, arXiv 2403.17887).
"""

from __future__ import annotations

from bridge_distill import prompts
from bridge_distill.models.train import Example
from bridge_distill.section import Section
from bridge_distill.student.contract import Materials, Phase, curriculum_phases


@curriculum_phases.register("heal")
class Heal(Phase[Section]):
    """Warm-up on language; it needs no rationale, and reads those that another phase learns from."""

    warm_up = True

    def examples(self, materials: Materials) -> list[Example]:
        """Each kept rationale below its question, and each question that has none, as plain text."""
        bodies = {question.id: prompts.body(question) for question in materials.questions}
        explained = {row.question_id for row in materials.rationales}
        texts = [f"{bodies[row.question_id]}\n{row.text}" for row in materials.rationales]
        texts += [body for name, body in bodies.items() if name not in explained]
        return [Example(None, text) for text in texts]
