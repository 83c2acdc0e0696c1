"""The run file: one frozen section a stage. This module imports types only; names are checked later.

A field marked ``WHERE`` says where or how fast a stage runs, never what it produces: it is no part
of a fingerprint, so changing it never invalidates a finished stage.
"""

from __future__ import annotations

from bridge_distill.config.budget import Budget, CapSettings, StudyBudget
from bridge_distill.config.explaining import Explaining
from bridge_distill.config.guide import Guide, Vote
from bridge_distill.config.harness import Harness
from bridge_distill.config.improve import Improve
from bridge_distill.config.models import Adapter, Assistant, Compute, Evaluate, LevelWeights, Tutor
from bridge_distill.config.pool import Data, Score, Select
from bridge_distill.config.questions import Questions, Writer
from bridge_distill.config.run import Run
from bridge_distill.config.shrink import Shrink
from bridge_distill.config.student import CurriculumPhase, Student
from bridge_distill.config.teacher import Price, Teacher
from bridge_distill.config.types import Levels, Positive, Rate, RunName, Share, VariableName

__all__ = [
    "Adapter",
    "Assistant",
    "Budget",
    "CapSettings",
    "Compute",
    "CurriculumPhase",
    "Data",
    "Evaluate",
    "Explaining",
    "Guide",
    "Harness",
    "Improve",
    "LevelWeights",
    "Levels",
    "Positive",
    "Price",
    "Questions",
    "Rate",
    "Run",
    "RunName",
    "Score",
    "Select",
    "Share",
    "Shrink",
    "Student",
    "StudyBudget",
    "Teacher",
    "Tutor",
    "VariableName",
    "Vote",
    "Writer",
]
