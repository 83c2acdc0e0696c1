"""What a curriculum phase is given, what it makes, and how it is taught."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from bridge_distill.config import Compute
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example, Objective, Trained, Training, fine_tune
from bridge_distill.models.train.examples import Row
from bridge_distill.records import Question, Rationale
from bridge_distill.registry import Registry
from bridge_distill.section import Section

Options = TypeVar("Options", bound=Section)
RATIONALES, ASSISTANT = "rationales", "assistant"


@dataclass(frozen=True)
class Materials:
    """The pool with new questions, the kept rationales (paid ones first, then the assistant's), and instructions.

    Rationales and new questions are empty where no phase needs rationales. ``tokens`` counts a text's tokens for the
    student's base, as many as for the student itself; ``seed`` is the run's.
    """

    questions: list[Question]
    rationales: list[Rationale]
    instructions: list[Example]
    tokens: Callable[[str], int]
    seed: int


@dataclass(frozen=True)
class Lesson:
    """One phase as it is about to be taught.

    ``rows`` are those of the examples that are short enough. ``order`` holds the examples' numbers as the optimizer is
    to read them, None where any order will do. ``scratch`` is a folder of the phase's own, for checkpoints and whatever
    a killed run must find again. ``assistant`` is the assistant's model folder, None where the phase does not need it.
    """

    examples: list[Example]
    rows: list[Row]
    order: Sequence[int] | None
    training: Training
    scratch: Path
    label: str
    assistant: Path | None
    compute: Compute

    def tune(self, model: Model, objective: Objective | None = None) -> Trained:
        """Tune the model in place by an objective, else by the likelihood; resumes from ``scratch``."""
        return fine_tune(
            model,
            self.examples,
            self.training,
            self.scratch / "checkpoints",
            self.label,
            order=self.order,
            objective=objective,
            rows=self.rows,
        )


class Phase(ABC, Generic[Options]):
    """One phase of the curriculum.

    ``options`` is the section that its own settings are validated against, ``needs`` which of ``RATIONALES`` and
    ``ASSISTANT`` it learns from. A ``warm_up`` phase gets ``student.warm_up`` of the training and does not teach the
    task itself. In one that ``writes`` the student writes between its steps, each process for itself, so that each
    needs all of the weights. ``place`` is its dotted path in the run file, for errors.
    """

    options: ClassVar[type[Section]] = Section
    needs: ClassVar[frozenset[str]] = frozenset()
    warm_up: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    def __init__(self, settings: Options, place: str) -> None:
        self.settings, self.place = settings, place

    @abstractmethod
    def examples(self, materials: Materials) -> list[Example]:
        """What the student learns in this phase. Raises ``UserError`` where the materials have nothing for it."""

    def teach(self, model: Model, lesson: Lesson) -> Trained:
        """Tune the model in place: by default cross-entropy of the completions; resumes from ``lesson.scratch``."""
        return lesson.tune(model)


class Order(Protocol):
    """In what order a phase's examples reach the optimizer."""

    def __call__(self, model: Model, rows: Sequence[Row], compute: Compute) -> Sequence[int] | None:
        """Places of ``rows``, each once, as every pass goes through them; None draws each pass anew by the seed.

        ``model`` is the student as the phase begins.
        """


curriculum_phases: Registry[type[Phase[Any]]] = Registry("curriculum phase", "bridge_distill.student.phases")
orders: Registry[Order] = Registry("order", "bridge_distill.student.orders")
