"""A study file: which arms are compared, at which budgets, over which seeds and data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from bridge_distill.amounts import amount_or_share
from bridge_distill.config.budget import CapSettings
from bridge_distill.config.types import RunName, Seed
from bridge_distill.section import Section

QUERIES_ALONE = (
    "takes queries alone, such as 5% or 40, for a reply that another cell paid for costs a cell nothing: "
    "cap money or tokens of the whole study with cap"
)


class Study(Section):
    """A whole study file (docs/studies.md).

    ``base`` is a run file, whose own arms are left out; ``arms`` and ``data`` are named overrides of it in dotted keys,
    those of an arm last. ``budgets`` are shares or counts of queries, the base's where there are none; an arm that sets
    ``budget`` itself keeps it. All other arms are compared with ``reference``. ``cap`` holds over all cells together,
    in amounts.
    With ``keep: none`` weights go once no cell needs them. ``where`` is the folder that the study's own lies in.
    """

    name: RunName
    base: Path
    arms: Annotated[dict[RunName, dict[str, Any]], Field(min_length=1)]
    reference: str
    budgets: list[int | str] = []
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    data: dict[RunName, dict[str, Any]] = {}
    cap: CapSettings | None = None
    keep: Literal["all", "none"] = "all"
    where: Path | None = None

    @field_validator("budgets", mode="before")
    @classmethod
    def _queries(cls, value: Any) -> list[int | str]:
        return [queries_of(item) for item in value] if isinstance(value, list) else [queries_of(value)]

    @field_validator("cap")
    @classmethod
    def _amounts(cls, cap: CapSettings | None) -> CapSettings | None:
        for name, value in cap or ():
            if isinstance(value, str):
                raise ValueError(
                    f"{name} is a share ({value}), which would be one of each cell's own pool: give an amount"
                )
        return cap

    @model_validator(mode="after")
    def _names(self) -> Study:
        if self.reference not in self.arms:
            raise ValueError(f"reference {self.reference!r} is none of the arms ({', '.join(self.arms)})")
        for name in ("budgets", "seeds"):
            found = getattr(self, name)
            if len(set(map(str, found))) < len(found):
                raise ValueError(f"{name} holds a value twice")
        return self


def queries_of(budget: Any) -> int | str:
    """A budget of a study as a count or share of queries; raises ``ValueError`` for any other cap."""
    if isinstance(budget, dict):
        if set(budget) != {"queries"}:
            raise ValueError(f"{QUERIES_ALONE} (got {budget})")
        budget = budget["queries"]
    found = amount_or_share(budget)
    if not isinstance(found, str) and found != int(found):
        raise ValueError("must be a whole count, or a share such as 5%")
    return found if isinstance(found, str) else int(found)
