"""The local models: how they are cut, taught and tested, and where they run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from bridge_distill.config.types import Levels, Positive, Rate, Share
from bridge_distill.section import LATER, WHERE, Section


class Shrink(Section):
    """How a smaller model is cut from a base; None keeps that part whole."""

    layers: Positive | list[int] | None = None
    vocabulary: Literal["task"] | None = None
    common_tokens: Annotated[int, Field(ge=0)] = 2000


class Adapter(Section):
    """Which weights of the assistant are tuned; ``options`` are the kind's own (docs/adapters.md)."""

    kind: str = "full"
    options: dict[str, Any] = {}


class LevelWeights(Section):
    """How much a token of each level of a rationale counts in the loss; 0 leaves the level out."""

    strategy: Annotated[float, Field(ge=0)] = 1
    tactics: Annotated[float, Field(ge=0)] = 1
    answer: Annotated[float, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _some_weight(self) -> LevelWeights:
        if not self.strategy + self.tactics + self.answer:
            raise ValueError("needs at least one weight above 0")
        return self


class Assistant(Section):
    """The local model that learns from the paid rationales.

    The defaults suit some tens of rationales and full tuning (docs/experiments.md); low-rank adapters
    want a higher learning rate. ``levels`` says how hierarchical traces are learnt: as one sequence, as
    separate tasks, or strategy first and tactics after; ``strategies: clusters`` gives flat rationales a
    strategy out of others of their kind (docs/traces.md).
    """

    base: str = "smollm2-135m"
    shrink: Shrink = Shrink(vocabulary="task")
    adapter: Adapter = Adapter()
    levels: Levels = Field(default="joint", json_schema_extra=LATER)
    level_weights: LevelWeights = Field(default=LevelWeights(), json_schema_extra=LATER)
    strategies: Literal["teacher", "clusters"] = Field(default="teacher", json_schema_extra=LATER)
    epochs: Rate = 5
    batch: Positive = 2
    learning_rate: Rate = 1e-4
    max_tokens: Positive = 512
    save_steps: Positive = Field(default=50, json_schema_extra=WHERE)

    @field_validator("adapter", mode="before")
    @classmethod
    def _adapter_by_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class Tutor(Section):
    """What the assistant explains, and which explanations are kept for the student (docs/tutor.md).

    ``max_words``, ``max_alike`` and ``keep_best`` are what the filters ``length``, ``near_duplicates`` and ``best``
    hold to.
    """

    samples: Positive = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_new_tokens: Positive = 160
    filters: list[str] = ["finished", "answer", "correct", "repetition", "length"]
    max_words: Positive = 150
    max_alike: Share = 0.8
    keep_best: Positive | None = None
    shard: Positive = Field(default=64, json_schema_extra=WHERE)

    @model_validator(mode="after")
    def _consistent(self) -> Tutor:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"{self.samples} samples at temperature 0 are all the same: set a temperature, such as 0.7"
            )
        if (self.keep_best is not None) != ("best" in self.filters):
            raise ValueError("keep_best and the filter best go together: set both, or neither")
        if len(set(self.filters)) < len(self.filters):
            raise ValueError("filters names a filter twice")
        return self


class Student(Section):
    """The deliverable: a small model cut from a base and taught in phases."""

    base: str = "smollm2-135m"
    shrink: Shrink = Shrink(layers=6, vocabulary="task")
    curriculum: Annotated[list[str], Field(min_length=1)] = ["instruct", "rationales"]
    instructions: str | None = None
    warm_up: Share = 0.2
    epochs: Rate | None = None
    steps: Positive | None = None
    batch: Positive = 4
    learning_rate: Rate = 1e-3
    max_tokens: Positive = 512
    save_steps: Positive = Field(default=50, json_schema_extra=WHERE)

    @model_validator(mode="after")
    def _one_length(self) -> Student:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("takes epochs or steps, not both")
        return self


class Evaluate(Section):
    """Which models answer the test questions, greedily."""

    models: Annotated[list[Literal["base", "assistant", "student"]], Field(min_length=1)] = [
        "base",
        "assistant",
        "student",
    ]
    max_new_tokens: Positive = 160
    shard: Positive = Field(default=64, json_schema_extra=WHERE)


class Compute(Section):
    """Where and how fast models run; never part of what is produced.

    ``engine`` is what writes, ``engine_url`` the address of one that is a server (docs/engines.md).
    """

    device: str = "auto"
    threads: Positive | None = None
    batch_tokens: Positive = 8192
    engine: str = "transformers"
    engine_url: str | None = None
