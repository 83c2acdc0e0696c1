"""What is wrong with a section's values, as one sentence with the dotted path, the value and the cure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bridge_distill.errors import UserError, nearest
from bridge_distill.section import Section

S = TypeVar("S", bound=Section)
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def read_section(model: type[S], values: Mapping[str, Any], below: str = "") -> S:
    """Validate values that a user wrote under the dotted path ``below``; raises ``UserError``."""
    _check_texts(values, below)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _as_user_error(error, model, below) from None


def read_options(model: type[S], options: Mapping[str, Any], place: str, named_by: str, name: str) -> S:
    """A part's own options, its defaults filled in: ``place`` is the section whose ``named_by`` says ``name``.

    Raises ``UserError`` for an option that the part has not, and for a bad value.
    """
    for option in options:
        if option not in model.model_fields:
            none = f"it takes none: where an arm changes the {named_by}, set {place}.options to {{}}"
            cure = nearest(option, model.model_fields) if model.model_fields else none
            raise UserError(f"{place}.options.{option}", f"is no option of {name}", cure)
    return read_section(model, options, f"{place}.options")


def _check_texts(value: Any, place: str) -> None:
    """Raise ``UserError`` for a text that can be neither a path nor a line of a file."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_texts(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_texts(item, f"{place}.{number}")
    elif isinstance(value, str) and _UNWRITABLE.search(value):
        raise UserError(place, "holds a NUL or half a character", "take it out")


def _as_user_error(error: ValidationError, model: type[BaseModel], below: str) -> UserError:
    """The first problem as one sentence; an unknown key is answered with the nearest known one."""
    first = error.errors()[0]
    path = [part for part in (below, *map(str, first["loc"])) if part]
    place = ".".join(path) or "run file"
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        return UserError(place, "unknown key", nearest(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return UserError(place, "is missing", f"add it to the run file{_hint(place)}")
    message = first["msg"].removeprefix("Value error, ")
    # Whoever writes the key itself where its name belongs must not read it in a terminal's log.
    secret = "key_" in place or isinstance(first["input"], dict)
    value = "" if secret else f" (got {first['input']!r})"
    return UserError(place, message[0].lower() + message[1:] + value, "correct it in the run file or with --set")


def _hint(place: str) -> str:
    return {"budget": ", such as budget: {queries: 5%}", "data": ", such as data: {train: a.jsonl, test: b.jsonl}"}.get(
        place, ""
    )


def _fields_at(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    """Known keys of the section that a dotted path leads to."""
    here: Any = model
    for part in path:
        field = here.model_fields.get(str(part)) if here is not None else None
        here = _section_in(field.annotation) if field is not None else None
    return list(here.model_fields) if here is not None else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    options = getattr(annotation, "__args__", (annotation,))
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
