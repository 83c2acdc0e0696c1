"""How a smaller model is cut from a base, or drawn at random for comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bridge_distill.config.types import Positive
from bridge_distill.section import LATER, Section

# Strict, so that a share of 1.0 is not read as one unit.
_Units = Annotated[int, Field(gt=0, strict=True)]
_FACTORS = {"": 1, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def _parameters(value: object) -> object:
    """A number of parameters, also written such as ``10M``; raises ``ValueError``."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMB]?)", value.strip().upper())
    if found is None:
        raise ValueError("must be a number of parameters such as 10M")
    return round(float(found[1]) * _FACTORS[found[2]])


class Shrink(Section):
    """How a smaller model is cut from a base; None keeps that part whole (docs/shrinking.md).

    ``layers`` is how many stay, or which; ``layer_choice`` says how that many are chosen. ``mlp`` is how many units of
    each layer's MLP stay, or what share of them, ``heads`` how many of its attention heads. ``calibration`` is how
    many texts are read at most to see which parts matter. ``size`` instead draws a new model of so many parameters.
    """

    layers: Positive | list[int] | None = None
    vocabulary: Literal["task"] | None = None
    common_tokens: Annotated[int, Field(ge=0)] = 2000
    layer_choice: Literal["spaced", "angular", "loss"] = Field(default="spaced", json_schema_extra=LATER)
    mlp: _Units | Annotated[float, Field(gt=0, lt=1)] | None = Field(default=None, json_schema_extra=LATER)
    heads: Positive | None = Field(default=None, json_schema_extra=LATER)
    tie: bool = Field(default=False, json_schema_extra=LATER)
    calibration: Positive = Field(default=64, json_schema_extra=LATER)
    size: Annotated[Positive, BeforeValidator(_parameters)] | None = Field(default=None, json_schema_extra=LATER)

    @model_validator(mode="after")
    def _agree(self) -> Shrink:
        if self.layer_choice != "spaced" and not isinstance(self.layers, int):
            raise ValueError(f"layer_choice {self.layer_choice!r} needs layers as a number")
        if self.size is not None and (self.layers, self.mlp, self.heads, self.tie) != (None, None, None, False):
            raise ValueError("size draws a new model: leave out layers, mlp, heads and tie")
        return self


def over(default: Shrink) -> BeforeValidator:
    """Reads a mapping as changes of a section's ``default``; where it asks for a ``size``, no layers are cut."""
    written = default.model_dump(exclude_unset=True)

    def laid(value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        kept: dict[str, Any] = written if value.get("size") is None else written | {"layers": None}
        return {**kept, **value}

    return BeforeValidator(laid)
