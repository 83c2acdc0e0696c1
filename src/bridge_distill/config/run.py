"""The whole run file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from bridge_distill.config.budget import Budget
from bridge_distill.config.models import Assistant, Compute, Evaluate, Tutor
from bridge_distill.config.pool import Data, Score, Select
from bridge_distill.config.questions import Questions
from bridge_distill.config.student import Student
from bridge_distill.config.teacher import Teacher
from bridge_distill.config.types import RunName, Seed
from bridge_distill.section import WHERE, Section


class Run(Section):
    """A whole run file. ``arms`` are named overrides of it (dotted keys), reported beside it."""

    name: RunName
    seed: Seed = 0
    data: Data
    budget: Budget
    score: Score = Score()
    select: Select = Select()
    teacher: Teacher = Teacher()
    assistant: Assistant | None = Assistant()
    tutor: Tutor | None = Tutor()
    questions: Questions = Questions()
    student: Student = Student()
    evaluate: Evaluate = Evaluate()
    arms: dict[str, dict[str, Any]] = {}
    compute: Compute = Field(default=Compute(), json_schema_extra=WHERE)
    runs: Path = Field(default=Path("runs"), json_schema_extra=WHERE)
    store: Path | None = Field(default=None, json_schema_extra=WHERE)

    @field_validator("arms")
    @classmethod
    def _arm_names(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name in value:
            if name in {"base", "assistant", "student"} or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
                raise ValueError(f"{name!r} is the name of a model or cannot name a folder")
        return value

    @model_validator(mode="after")
    def _assistant_and_tutor(self) -> Run:
        if (self.assistant is None) != (self.tutor is None):
            raise ValueError("assistant and tutor go together: set both, or both to null")
        return self
