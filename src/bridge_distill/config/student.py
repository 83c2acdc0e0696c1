"""The student: what it is cut from, and the phases in which it is taught."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_serializer, model_validator

from bridge_distill.config.shrink import Shrink, over
from bridge_distill.config.types import Positive, Rate, Share
from bridge_distill.section import WHERE, Section

_SHRINK = Shrink(layers=6, vocabulary="task")


class CurriculumPhase(Section):
    """One phase of a curriculum: a name alone, or a mapping (docs/curriculum.md).

    It lasts ``steps``, or ``epochs`` over its own examples, both on top of the student's length, or a ``share`` of
    that; without any of them it shares what is left with the others. ``options`` are the phase's own and are written
    beside the other keys. A ``learning_rate`` of None is the student's.
    """

    phase: str
    order: str = "random"
    share: Share | None = None
    steps: Positive | None = None
    epochs: Rate | None = None
    learning_rate: Rate | None = None
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"phase": value}
        if not isinstance(value, dict):
            return value
        own = cls.model_fields.keys() - {"options"}
        options = {key: item for key, item in value.items() if key not in own}
        return {**{key: item for key, item in value.items() if key in own}, "options": options}

    @model_validator(mode="after")
    def _one_length(self) -> CurriculumPhase:
        if sum(length is not None for length in (self.share, self.steps, self.epochs)) > 1:
            raise ValueError("takes one of share, steps and epochs")
        return self

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields if name != "options"}
        return {name: value for name, value in own.items() if value is not None} | self.options


class Student(Section):
    """The deliverable: a small model cut from a base and taught in phases.

    Its training lasts ``steps``, or ``epochs`` over the examples of the largest phase that teaches the task (3 where
    nothing is said), or until about ``tokens`` real tokens were read. Phases that warm up get ``warm_up`` of it.
    """

    base: str = "smollm2-135m"
    shrink: Annotated[Shrink, over(_SHRINK)] = _SHRINK
    curriculum: Annotated[list[CurriculumPhase], Field(min_length=1)] = [
        CurriculumPhase(phase="instruct"),
        CurriculumPhase(phase="rationales"),
    ]
    instructions: str | None = None
    warm_up: Share = 0.2
    epochs: Rate | None = None
    steps: Positive | None = None
    tokens: Positive | None = None
    batch: Positive = 4
    learning_rate: Rate = 1e-3
    max_tokens: Positive = 512
    save_steps: Positive = Field(default=50, json_schema_extra=WHERE)

    @model_validator(mode="after")
    def _one_length(self) -> Student:
        if sum(length is not None for length in (self.epochs, self.steps, self.tokens)) > 1:
            raise ValueError("takes one of epochs, steps and tokens")
        return self
