"""The expert, and what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from bridge_distill.config.types import Positive, Rate, VariableName
from bridge_distill.section import LATER, WHERE, Section


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
