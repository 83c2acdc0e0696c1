"""What every section of a run file is: frozen, strict, and honest about what decides its result."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

WHERE: JsonDict = {"where": True}
# A later field that changes nothing at its default leaves the identity of older runs as it was.
LATER: JsonDict = {"later": True}


class Section(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def identity(self) -> dict[str, Any]:
        """The fields that decide what is produced, as plain JSON values.

        ``WHERE`` fields are left out, and ``LATER`` ones that are at their default.
        """
        return {
            name: _plain(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if not _marked(field, "where")
            and not (_marked(field, "later") and getattr(self, name) == field.get_default())
        }


def _marked(field: Any, mark: str) -> bool:
    return bool((field.json_schema_extra or {}).get(mark))


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
