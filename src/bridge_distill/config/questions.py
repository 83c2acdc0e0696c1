"""Questions beyond the pool, at no cost: how they are written, and which of them are believed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge_distill.config.types import Positive, Rate, Share
from bridge_distill.section import WHERE, Section


class Writer(Section):
    """The assistant's base, tuned to write questions in the pool's manner.

    It learns from at most ``examples`` questions of the pool, as the assistant learns (its cut, adapter, batch and
    learning rate), and writes at most ``tries`` texts for each question that is wanted.
    """

    examples: Positive = 5000
    epochs: Rate = 2
    temperature: Annotated[float, Field(gt=0, le=2)] = 1.0
    max_new_tokens: Positive = 256
    tries: Positive = 4
    max_alike: Share = 0.8


class Questions(Section):
    """New questions for the student (docs/questions.md); with ``amount`` 0 there are none.

    One joins where more than the share ``agreement`` of ``samples`` answers say the same, with the ``keep_best``
    explanations that pass the tutor's filters. ``checked`` questions of the pool say how often such answers are wrong.
    """

    amount: Annotated[int, Field(ge=0)] = 0
    writer: Writer = Writer()
    samples: Annotated[int, Field(ge=2)] = 8
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    agreement: Annotated[float, Field(ge=0.5, lt=1)] = 0.7
    keep_best: Positive = 1
    checked: Positive = 200
    shard: Positive = Field(default=64, json_schema_extra=WHERE)
