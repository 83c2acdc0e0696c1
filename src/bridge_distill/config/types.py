"""Types of settings that several sections share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

MOST_SEED = 2**31 - 1  # parts add to a seed, and some generators take 32 bits
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Levels = Literal["joint", "tasks", "staged"]
