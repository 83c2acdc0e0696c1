"""Where questions come from, and which of them are worth paying for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from bridge_distill.config.types import Positive, Rate
from bridge_distill.section import WHERE, Section


class Data(Section):
    """Where questions come from: a path, ``hf:owner/name[:split]``, or ``practice:task?n=800&seed=1``.

    ``train`` and ``test`` are no part of the identity: the digest of what they hold is. A row's ``limits`` go before
    ``tolerance``, the share of a number by which an answer may differ; None is 0 for a whole number, else 1%.
    """

    train: str = Field(json_schema_extra=WHERE)
    test: str = Field(json_schema_extra=WHERE)
    answer: str | list[str] = "text"
    columns: dict[str, str] = {}
    tolerance: Annotated[float, Field(ge=0, lt=1)] | None = None
    limit_train: Positive | None = None
    limit_test: Positive | None = None

    @field_validator("answer")
    @classmethod
    def _some_form(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("names no answer form")
        return value

    @property
    def forms(self) -> list[str]:
        """Answer forms in the order in which they are tried on a row's gold answer."""
        return [self.answer] if isinstance(self.answer, str) else self.answer


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

    method: str = "stratified"
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
