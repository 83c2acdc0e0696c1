"""What a curriculum phase is given and what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge_distill.models.train import Example
from bridge_distill.records import Question, Rationale
from bridge_distill.registry import Registry


@dataclass(frozen=True)
class Materials:
    """The pool with new questions, the kept rationales (paid ones first, then the assistant's), and instructions."""

    questions: list[Question]
    rationales: list[Rationale]
    instructions: list[Example]


class Phase(Protocol):
    """One phase of the curriculum."""

    warm_up: bool

    def examples(self, materials: Materials) -> list[Example]:
        """What the student learns in this phase. A ``warm_up`` phase gets ``student.warm_up`` of the steps."""


curriculum_phases: Registry[Phase] = Registry("curriculum phase", "bridge_distill.student.phases")
