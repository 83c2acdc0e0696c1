"""A reply as a line of JSON: the request itself, never its hash, and what it cost, exact, where it was bought."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from sqlite3 import Row
from typing import Any, NoReturn

from bridge_distill.teacher.budget import dollars
from bridge_distill.teacher.store import canonical

VERSION = 1
LONGEST_LABEL = 1000
_LARGEST = 10**12
_USD = re.compile(r"[0-9]{1,12}\.[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """A line that was found sound; ``request`` is the canonical identity, ``usd_micros`` what was paid for it."""

    request: str
    model: str
    text: str
    finish: str
    input_tokens: int
    output_tokens: int
    usd_micros: int
    price_source: str
    time: str
    served_model: str
    reply_id: str


def write_line(row: Row) -> str:
    """A row of the table of replies, and the ``price_source`` of its attempt, as ASCII JSON."""
    names = ("text", "finish", "input_tokens", "output_tokens", "price_source", "time", "served_model", "reply_id")
    values = {"version": VERSION, "usd": dollars(row["usd_micros"]), **{name: row[name] for name in names}}
    # The identity is canonical JSON already; parsing it could only change it.
    return f'{{"request":{row["request"]},{canonical(values)[1:]}\n'


def read_line(line: bytes) -> ReplyLine:
    """Read a line; raises ``ValueError`` with the reason why it cannot be used."""
    try:
        return _checked(json.loads(line, parse_constant=_no_number, parse_float=_finite))
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is not JSON ({error})") from None


def _checked(values: Any) -> ReplyLine:
    if not isinstance(values, dict):
        raise ValueError("is not a JSON object")
    if values.get("version") != VERSION:
        raise ValueError(f"version is {_short(values.get('version'))}, and only {VERSION} is known")
    for name, (is_sound, wanted) in _RULES.items():
        if name not in values:
            raise ValueError(f"{name} is missing")
        if not is_sound(values[name]):
            raise ValueError(f"{name} is {_short(values[name])}, not {wanted}")
    unknown = sorted(values.keys() - _RULES.keys() - {"version"})
    if unknown:
        raise ValueError(f"{_short(unknown[0])} is an unknown key")
    own = {name: values[name] for name in _RULES.keys() - {"request", "usd"}}
    micros = int(Decimal(values["usd"]).scaleb(6))
    return ReplyLine(canonical(values["request"]), values["request"]["model"], usd_micros=micros, **own)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"is not JSON ({word} is no number)")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"is not JSON ({text} is too large a number)")
    return number


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_LABEL


def _is_name(value: Any) -> bool:
    """Whether a value is a short text that every file takes, without half a surrogate pair."""
    return _is_label(value) and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_usd(value: Any) -> bool:
    return isinstance(value, str) and _USD.fullmatch(value) is not None


def _is_time(value: Any) -> bool:
    try:
        return _is_name(value) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_request(value: Any) -> bool:
    """Whether a value is an ``identity`` of ``store``."""
    return (
        isinstance(value, dict)
        and _is_name(value.get("provider"))
        and _is_name(value.get("model"))
        and isinstance(value.get("messages"), list)
        and all(isinstance(message, dict) for message in value["messages"])
        and isinstance(value.get("decoding"), dict)
        and _is_count(value.get("sample"))
    )


_LABEL = (_is_label, f"a text of at most {LONGEST_LABEL} signs")
_COUNT = (_is_count, "a whole number from 0")
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "request": (_is_request, "a request: provider, model, messages, decoding and sample"),
    "text": (_is_text, "a text"),
    "finish": _LABEL,
    "input_tokens": _COUNT,
    "output_tokens": _COUNT,
    "usd": (_is_usd, 'exact dollars such as "0.001500"'),
    "price_source": (_is_name, f"a text of at most {LONGEST_LABEL} signs"),
    "time": (_is_time, "a time with its zone"),
    "served_model": _LABEL,
    "reply_id": _LABEL,
}
