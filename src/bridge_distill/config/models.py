"""The local models: how they are cut, taught and tested, and where they run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from bridge_distill.config.explaining import Explaining
from bridge_distill.config.guide import Guide
from bridge_distill.config.harness import Harness
from bridge_distill.config.improve import Improve
from bridge_distill.config.shrink import Shrink, over
from bridge_distill.config.types import Levels, Positive, Rate, RunName
from bridge_distill.section import LATER, WHERE, Section

_SHRINK = Shrink(vocabulary="task")


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
    strategy out of others of their kind (docs/traces.md). With ``validation``, a share of the paid questions,
    tuning stops where their explanations have become no likelier ``patience`` times, and the best weights stay.
    With 0 ``epochs`` it is cut and not tuned.
    ``improve`` is no part of the identity: stages of its own come of it.
    """

    base: str = "smollm2-135m"
    shrink: Annotated[Shrink, over(_SHRINK)] = _SHRINK
    adapter: Adapter = Adapter()
    levels: Levels = Field(default="joint", json_schema_extra=LATER)
    level_weights: LevelWeights = Field(default=LevelWeights(), json_schema_extra=LATER)
    strategies: Literal["teacher", "clusters"] = Field(default="teacher", json_schema_extra=LATER)
    epochs: Annotated[float, Field(ge=0)] = 5
    batch: Positive = 2
    learning_rate: Rate = 1e-4
    max_tokens: Positive = 512
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, json_schema_extra=LATER)
    patience: Positive = Field(default=3, json_schema_extra=LATER)
    improve: Improve = Field(default=Improve(), json_schema_extra=WHERE)
    save_steps: Positive = Field(default=50, json_schema_extra=WHERE)

    @field_validator("adapter", mode="before")
    @classmethod
    def _adapter_by_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


class Tutor(Explaining):
    """What the assistant explains, and which explanations are kept for the student (docs/tutor.md).

    ``guide`` guides every sample while it is written (docs/guidance.md).
    """

    guide: Guide | None = Field(default=None, json_schema_extra=LATER)

    @model_validator(mode="after")
    def _no_vote(self) -> Tutor:
        if self.guide is not None and self.guide.vote is not None:
            raise ValueError("guide.vote picks one answer, but the tutor keeps explanations: set samples instead")
        return self


class Evaluate(Section):
    """Which models answer the test questions, greedily or under a ``guide`` that holds for all of them.

    Each of ``guides``, by name, is tested on the ``guided`` model beside that (docs/guidance.md). ``harness`` scores
    each model by standard benchmarks as well. ``shard`` is as large as the tutor's, for the same reasons.
    """

    models: Annotated[list[Literal["base", "assistant", "student"]], Field(min_length=1)] = [
        "base",
        "assistant",
        "student",
    ]
    max_new_tokens: Positive = 160
    guide: Guide | None = Field(default=None, json_schema_extra=LATER)
    guides: dict[RunName, Guide] = Field(default={}, json_schema_extra=LATER)
    guided: Literal["base", "assistant", "student"] = Field(default="student", json_schema_extra=LATER)
    harness: Harness = Field(default=Harness(), json_schema_extra=LATER)
    shard: Positive = Field(default=256, json_schema_extra=WHERE)

    @model_validator(mode="after")
    def _guided_is_tested(self) -> Evaluate:
        if self.guides and self.guided not in self.models:
            raise ValueError(f"guides are compared with the plain answers of {self.guided!r}: add it to models")
        return self


class Compute(Section):
    """Where and how fast models run; never part of what is produced.

    ``engine`` is what writes, ``engine_url`` the address of one that is a server (docs/engines.md). ``report_to``
    names trackers that are told of losses and figures (docs/reports.md).
    """

    device: str = "auto"
    threads: Positive | None = None
    batch_tokens: Positive = 8192
    engine: str = "transformers"
    engine_url: str | None = None
    report_to: list[Literal["trackio", "tensorboard", "wandb", "mlflow"]] = []
