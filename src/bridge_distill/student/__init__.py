"""The student: cut from a base, then taught phase by phase."""

from bridge_distill.student.contract import ASSISTANT, RATIONALES, curriculum_phases
from bridge_distill.student.curriculum import check, expected_tokens, identity, needs
from bridge_distill.student.tutoring import teach_student

__all__ = [
    "ASSISTANT",
    "RATIONALES",
    "check",
    "curriculum_phases",
    "expected_tokens",
    "identity",
    "needs",
    "teach_student",
]
