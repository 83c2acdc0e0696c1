"""How questions are explained, and which explanations are kept: what the tutor and self-improvement share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bridge_distill.config.types import Positive, Share
from bridge_distill.section import LATER, WHERE, Section


class Explaining(Section):
    """Samples of each question, and the filters that they pass (docs/tutor.md).

    ``max_words``, ``keep_likeliest``, ``max_alike`` and ``keep_best`` are what the filters ``length``, ``likeliest``,
    ``near_duplicates`` and ``best`` hold to, ``agreement`` what ``correct`` holds to where gold is not known: more than
    this share must say the same.
    ``shard`` questions are sorted into batches together: many, so that few batches wait for one long explanation, yet
    no more than the smallest base writes in minutes on two cores, since a kill loses those of the shard under way.
    """

    samples: Positive = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_new_tokens: Positive = 160
    filters: list[str] = ["finished", "answer", "correct", "repetition", "length"]
    max_words: Positive = 150
    keep_likeliest: Share = Field(default=0.7, json_schema_extra=LATER)
    max_alike: Share = 0.8
    keep_best: Positive | None = None
    agreement: Annotated[float, Field(ge=0.5, lt=1)] = Field(default=0.5, json_schema_extra=LATER)
    shard: Positive = Field(default=256, json_schema_extra=WHERE)

    @model_validator(mode="after")
    def _consistent(self) -> Explaining:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"{self.samples} samples at temperature 0 are all the same: set a temperature, such as 0.7"
            )
        if (self.keep_best is not None) != ("best" in self.filters):
            raise ValueError("keep_best and the filter best go together: set both, or neither")
        if len(set(self.filters)) < len(self.filters):
            raise ValueError("filters names a filter twice")
        return self
