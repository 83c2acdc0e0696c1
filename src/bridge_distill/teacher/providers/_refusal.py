"""What a provider says when it refuses: status, code and words, in whichever shape it sends them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST_WAIT = 3600.0
_LONGEST_MESSAGE = 300
_UNSUPPORTED = re.compile(r"not (?:support|permit|allow|take|accept)|unsupported|deprecated|unknown|unrecognized")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status with the error that came with it; ``code`` and ``param`` are ``""`` where none is named."""

    status: int
    code: str
    param: str
    message: str
    wait: float | None = None

    def rejects(self, parameter: str) -> bool:
        """Whether the provider refuses a request parameter as such, whatever its value."""
        if self.status not in (400, 422):
            return False
        words = self.message.lower()
        named = self.param.split(".")[0] == parameter or re.search(rf"\b{parameter}\b", words) is not None
        return named and _UNSUPPORTED.search(words) is not None


def read_refusal(status: int, headers: Mapping[str, str], content: bytes) -> Refusal:
    """Read a refused response; a body that is no JSON is no error here."""
    try:
        body = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        body = None
    return refusal_of(status, body, wait_of(headers))


def refusal_of(status: int, body: Any, wait: float | None = None) -> Refusal:
    """The refusal in a decoded body: an ``error`` of words or of fields, inside another one or not, or bare fields."""
    said = body if isinstance(body, dict) else {}
    inner = said.get("error", said)
    if isinstance(inner, dict) and isinstance(inner.get("error"), dict):
        inner = inner["error"]
    named = inner if isinstance(inner, dict) else {"message": inner}
    message = named.get("message") or named.get("detail") or "no reason given"
    code = named.get("code") or named.get("type") or ""
    return Refusal(status, str(code), str(named.get("param") or ""), " ".join(str(message).split()), wait)


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``retry-after-ms`` or ``retry-after`` (a number or an HTTP date) asks for; None without one."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return min(exact / 1000, LONGEST_WAIT)
    header = headers.get("retry-after")
    seconds = _number(header)
    if seconds is None and header:
        try:
            at = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        seconds = max((at - datetime.now(UTC)).total_seconds(), 0.0)
    return None if seconds is None else min(seconds, LONGEST_WAIT)


def shortened(message: str) -> str:
    """A message short enough for a table."""
    return message[:_LONGEST_MESSAGE]


def _number(header: str | None) -> float | None:
    try:
        number = float(header or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
