"""What may be spent at most."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import Field, field_validator, model_validator

from bridge_distill.amounts import amount_or_share
from bridge_distill.config.types import RunName
from bridge_distill.section import WHERE, Section


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
