"""How the assistant goes on learning from its own explanations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from bridge_distill.config.explaining import Explaining
from bridge_distill.config.types import Positive, Rate
from bridge_distill.section import WHERE

_OF_TUNING = ("epochs", "paid_share")


class Improve(Explaining):
    """Self-improvement after the paid replies are learnt (docs/improvement.md); 0 ``rounds``, the default, is none.

    With ``hints`` a question that was missed is asked again with its gold answer. Each round tunes the base for
    ``epochs`` over all explanations; the paid ones are repeated until they are ``paid_share`` of them.
    """

    rounds: Annotated[int, Field(ge=0)] = Field(default=0, json_schema_extra=WHERE)
    samples: Positive = 4
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    filters: list[str] = ["finished", "answer", "correct", "steps", "repetition", "length", "best"]
    keep_best: Positive | None = 1
    agreement: Annotated[float, Field(ge=0.5, lt=1)] = 0.7
    hints: bool = True
    epochs: Rate = 2
    paid_share: Annotated[float, Field(ge=0, lt=1)] = 0.25

    def of_explaining(self) -> dict[str, Any]:
        """The part of the identity that decides what a round's explanations are."""
        return {name: value for name, value in self.identity().items() if name not in _OF_TUNING}

    def of_tuning(self) -> dict[str, Any]:
        """The part of the identity that decides how a round's explanations are learnt."""
        return {name: value for name, value in self.identity().items() if name in _OF_TUNING}
