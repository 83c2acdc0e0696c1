"""The run file: one frozen section a stage. This module imports types only; names are checked later.

A field marked ``WHERE`` says where or how fast a stage runs, never what it produces: it is no part
of a fingerprint, so changing it never invalidates a finished stage.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from bridge_distill.amounts import amount_or_share
from bridge_distill.section import LATER, WHERE, Section

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Levels = Literal["joint", "tasks", "staged"]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Data(Section):
    """Where questions come from: a path, ``hf:owner/name[:split]``, or ``practice:task?n=800&seed=1``.

    ``train`` and ``test`` are no part of the identity: the digest of what they hold is.
    """

    train: str = Field(json_schema_extra=WHERE)
    test: str = Field(json_schema_extra=WHERE)
    answer: str | list[str] = "text"
    columns: dict[str, str] = {}
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.01
    limit_train: Positive | None = None
    limit_test: Positive | None = None

    @property
    def forms(self) -> list[str]:
        """Answer forms in the order in which they are tried on a row's gold answer."""
        return [self.answer] if isinstance(self.answer, str) else self.answer


class CapSettings(Section):
    """Caps that hold together, each an amount or a share such as ``5%``.

    A share of ``queries`` is one of the training pool; a share of tokens or USD is one of what asking
    the whole pool once would nominally use (see ``teacher.budget``).
    """

    queries: int | str | None = None
    input_tokens: int | str | None = None
    output_tokens: int | str | None = None
    usd: Decimal | str | None = None

    @field_validator("queries", "input_tokens", "output_tokens", mode="before")
    @classmethod
    def _count(cls, value: Any) -> int | str | None:
        found = None if value is None else amount_or_share(value)
        if isinstance(found, Decimal) and found != int(found):
            raise ValueError("must be a whole count, or a share such as 5%")
        return int(found) if isinstance(found, Decimal) else found

    @field_validator("usd", mode="before")
    @classmethod
    def _usd(cls, value: Any) -> Decimal | str | None:
        return None if value is None else amount_or_share(value)

    @model_validator(mode="after")
    def _some_cap(self) -> CapSettings:
        if all(cap is None for cap in (self.queries, self.input_tokens, self.output_tokens, self.usd)):
            raise ValueError("needs at least one cap: queries, input_tokens, output_tokens or usd")
        return self


class StudyBudget(CapSettings):
    """Caps over every run that names the same study."""

    name: RunName


class Budget(CapSettings):
    """The run's own caps, and wider ones that it must keep beside them.

    ``study`` and ``store`` say whose money it is, not what is made: raising one after a run has ended
    takes ``--rebuild teach`` to buy more.
    """

    study: StudyBudget | None = Field(default=None, json_schema_extra=WHERE)
    store: CapSettings | None = Field(default=None, json_schema_extra=WHERE)


class Shrink(Section):
    """How a smaller model is cut from a base; None keeps that part whole."""

    layers: Positive | list[int] | None = None
    vocabulary: Literal["task"] | None = None
    common_tokens: Annotated[int, Field(ge=0)] = 2000


class Score(Section):
    """What the untuned assistant's pass over the pool measures; ``base`` is the assistant's where None.

    ``difficulty`` weighs columns of ``signals`` against each other, each as ranks scaled to 0..1.
    ``embedder`` is ``assistant``, ``sentence-transformers:NAME`` or ``model2vec:NAME``; ``weighted`` adds
    the assistant's states averaged by position, for RDS+; ``half`` keeps vectors as float16 on disk.
    """

    base: str | None = None
    signals: Annotated[list[str], Field(min_length=1)] = ["answer_entropy", "draft_entropy", "length"]
    difficulty: Annotated[dict[str, Rate], Field(min_length=1)] = {"answer_entropy": 1, "draft_entropy": 1}
    embedder: str = "assistant"
    weighted: bool = False
    half: bool = False
    draft_tokens: Positive = 16
    samples: Annotated[int, Field(ge=2)] = 4
    shard: Positive = Field(default=128, json_schema_extra=WHERE)


class Select(Section):
    """Which training questions are worth paying for; ``options`` are the method's own (docs/selection.md).

    In several ``rounds`` (docs/rounds.md) the assistant is tuned after each and scores the pool anew; ``held_out``
    questions of the pool are never chosen and test it. ``stop_below``, in percentage points a dollar, ends
    buying where the next batch is predicted to bring less.
    """

    method: str = "bridge"
    options: dict[str, Any] = {}
    rounds: Positive = 1
    held_out: Positive = 100
    stop_below: Rate | None = None

    @model_validator(mode="after")
    def _rounds_to_stop(self) -> Select:
        if self.stop_below is not None and self.rounds < 3:
            raise ValueError(
                f"stop_below needs at least 3 rounds, two to predict from and one to save ({self.rounds} set)"
            )
        return self


class Price(Section):
    """USD for a million tokens, exact; ``batch`` is the share of it that a batch costs."""

    input: Annotated[Decimal, Field(ge=0)]
    output: Annotated[Decimal, Field(ge=0)]
    batch: Annotated[Decimal, Field(gt=0, le=1)] | None = None


class Teacher(Section):
    """The expert that is paid, and what is asked of it.

    The key stands in no file: ``key_env`` names the environment variable that holds it, ``key_command``
    a command that prints it. A ``temperature`` of None is not sent. A hierarchical ``trace`` has a strategy
    before its steps (docs/traces.md).
    """

    provider: str = "openai"
    model: str | None = None
    base_url: str | None = Field(default=None, json_schema_extra=WHERE)
    key_env: VariableName | None = Field(default=None, json_schema_extra=WHERE)
    key_command: str | None = Field(default=None, json_schema_extra=WHERE)
    api_version: str | None = None
    tokenizer: str | None = Field(default=None, json_schema_extra=WHERE)
    structured: bool = False
    trace: Literal["flat", "hierarchical"] = Field(default="flat", json_schema_extra=LATER)
    samples: Positive = 1
    max_words: Positive = 80
    max_output_tokens: Positive = 256
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0
    error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    prices: dict[str, Price] = {}
    batch: bool = Field(default=False, json_schema_extra=WHERE)
    poll_seconds: Rate = Field(default=30.0, json_schema_extra=WHERE)
    keep_at_provider: bool = Field(default=False, json_schema_extra=WHERE)
    concurrency: Positive = Field(default=8, json_schema_extra=WHERE)
    requests_per_minute: Positive | None = Field(default=None, json_schema_extra=WHERE)
    tokens_per_minute: Positive | None = Field(default=None, json_schema_extra=WHERE)
    attempts: Positive = Field(default=4, json_schema_extra=WHERE)
    timeout: Rate = Field(default=60.0, json_schema_extra=WHERE)


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
    """Where and how fast models run; never part of what is produced."""

    device: str = "auto"
    threads: Positive | None = None
    batch_tokens: Positive = 8192


class Run(Section):
    """A whole run file. ``arms`` are named overrides of it (dotted keys), reported beside it."""

    name: RunName
    seed: int = 0
    data: Data
    budget: Budget
    score: Score = Score()
    select: Select = Select()
    teacher: Teacher = Teacher()
    assistant: Assistant | None = Assistant()
    tutor: Tutor | None = Tutor()
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
