"""The student: cut from a base, then taught phase by phase."""

from bridge_distill.student.contract import ASSISTANT, RATIONALES, curriculum_phases
from bridge_distill.student.curriculum import check, identity, needs
from bridge_distill.student.tutoring import teach_student

__all__ = ["ASSISTANT", "RATIONALES", "check", "curriculum_phases", "identity", "needs", "teach_student"]
