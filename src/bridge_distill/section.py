"""What every section of a run file is: frozen, strict, and honest about what decides its result."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

WHERE: JsonDict = {"where": True}


class Section(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        """The fields that decide what is produced, as plain JSON values (``WHERE`` fields left out)."""
        return {
            name: _plain(getattr(self, name)) for name, field in type(self).model_fields.items() if not _where(field)
        }


def _where(field: Any) -> bool:
    return bool((field.json_schema_extra or {}).get("where"))


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (Decimal, Path)):
        return str(value)
    return value
