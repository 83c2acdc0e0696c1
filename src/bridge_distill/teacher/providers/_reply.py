"""What the readers of replies share: JSON from any bytes, clean text, and token counts that are never too low."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from bridge_distill.teacher.providers import Unknown

_PLAUSIBLE_TOKENS = 10**9


class Bounds(NamedTuple):
    """The most that a reply can be billed for, which stands in where it does not say."""

    input_tokens: int
    output_tokens: int


def decoded(content: bytes, what: str) -> dict[str, Any]:
    """The JSON object in a body, whatever its declared type and encoding; raises ``Unknown``."""
    try:
        body = json.loads(content.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Unknown(f"the reply is not {what}")
    return body


def clean(text: object) -> str:
    """Text that every file and database takes (half a surrogate pair becomes ``?``); ``""`` for what is no text."""
    return text.encode("utf-8", "replace").decode("utf-8") if isinstance(text, str) else ""


def printable(name: object) -> str:
    """A name that a provider gives, without control signs."""
    return "".join(sign for sign in clean(name) if sign.isprintable())


def tokens(reported: object, bound: int | None) -> int:
    """The count reported, or ``bound`` where it is missing or absurd; raises ``Unknown`` where no bound is known."""
    if isinstance(reported, int) and not isinstance(reported, bool) and 0 <= reported <= _PLAUSIBLE_TOKENS:
        return reported
    if bound is None:
        raise Unknown("the reply does not say how many tokens it used")
    return bound
