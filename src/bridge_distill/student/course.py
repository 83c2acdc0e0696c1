"""A curriculum over its materials: each phase as a lesson, with its length and order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.config import Compute, Student
from bridge_distill.engine.stage import write_json
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example, Training
from bridge_distill.models.train.examples import Row, encode
from bridge_distill.student.contract import ASSISTANT, Lesson, Phase, orders
from bridge_distill.student.schedule import steps_of


@dataclass(frozen=True)
class Course:
    """The ``phases`` of a student, whose ``model`` is tuned in place; ``assistant`` is the folder of that stage.

    ``scratch`` holds a folder for each phase, which survives a kill.
    """

    settings: Student
    phases: Sequence[Phase[Any]]
    model: Model
    assistant: Path | None
    scratch: Path
    compute: Compute
    seed: int

    def lesson(self, index: int, examples: Sequence[list[Example]], spent: Sequence[int]) -> Lesson:
        """Phase ``index`` as it is about to be taught, after phases that have read ``spent`` real tokens each.

        Raises ``UserError`` where none of its examples is short enough.
        """
        item, place = self.settings.curriculum[index], self.scratch / f"lesson-{index}"
        place.mkdir(parents=True, exist_ok=True)
        rows = self._rows(index, examples[index])
        mean = sum(len(row.ids) for row in rows) / len(rows)
        training = Training(
            steps_of(self.settings, self.phases, [len(made) for made in examples], index, mean, spent),
            self.settings.batch,
            item.learning_rate or self.settings.learning_rate,
            self.settings.max_tokens,
            self.settings.save_steps,
            self.seed + index,
        )
        order = self._order(item.order, rows, place / "order.json")
        label = f"teaching the student: {item.phase}"
        return Lesson(examples[index], rows, order, training, place, label, self._assistant(index), self.compute)

    def _rows(self, index: int, examples: Sequence[Example]) -> list[Row]:
        try:
            return encode(self.model, examples, self.settings.max_tokens)
        except ValueError as error:
            problem = f"{error} in the phase {self.settings.curriculum[index].phase}"
            raise UserError("student.max_tokens", problem, "raise it") from error

    def _order(self, name: str, rows: Sequence[Row], kept: Path) -> list[int] | None:
        """Numbers of the examples; measured once, however often the phase is resumed."""
        if not kept.exists():
            places = orders.get(name, "student.curriculum")(self.model, rows, self.compute)
            write_json(kept, None if places is None else [rows[at].number for at in places])
        found: list[int] | None = json.loads(kept.read_text())
        return found

    def _assistant(self, index: int) -> Path | None:
        needed = self.assistant is not None and ASSISTANT in self.phases[index].needs
        return self.assistant / artifacts.MODEL if self.assistant is not None and needed else None
