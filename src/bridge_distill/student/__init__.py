"""The student: cut from a base, then taught phase by phase."""

from bridge_distill.student.contract import curriculum_phases
from bridge_distill.student.tutoring import teach_student

__all__ = ["curriculum_phases", "teach_student"]
