"""Guidance at test time: budgets of thought, strategies given, steps verified, votes (docs/guidance.md).

It works on the ``Generator`` contract alone, so with every engine, and never sees a gold answer.
"""

from bridge_distill.guidance.answer import Answered, Guidance, answer, explain
from bridge_distill.guidance.cost import relative_cost
from bridge_distill.guidance.draft import ACTS, Draft
from bridge_distill.guidance.plans import Plans, Traced, make_plans

__all__ = [
    "ACTS",
    "Answered",
    "Draft",
    "Guidance",
    "Plans",
    "Traced",
    "answer",
    "explain",
    "make_plans",
    "relative_cost",
]
