"""Standard benchmarks beside our own test questions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from bridge_distill.config.types import Positive
from bridge_distill.section import WHERE, Section


class Harness(Section):
    """Tasks of lm-evaluation-harness by name, by which each of ``evaluate.models`` is scored (docs/reports.md).

    A list alone names ``tasks``. ``folder`` holds task files of your own; it is no part of the identity, the digest of
    what it holds is. ``limit`` bounds the questions of a task, ``shots`` (None: the task's own) are shown before each.
    """

    tasks: list[str] = []
    folder: str | None = Field(default=None, json_schema_extra=WHERE)
    limit: Positive | None = None
    shots: Annotated[int, Field(ge=0)] | None = None
    batch: Positive = Field(default=8, json_schema_extra=WHERE)

    @model_validator(mode="before")
    @classmethod
    def _by_list(cls, value: Any) -> Any:
        return {"tasks": value} if isinstance(value, list) else value
