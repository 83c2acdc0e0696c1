"""Which questions are the same, and which one of them stays, whatever the order of rows in a file."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from bridge_distill.records import Question

HELD_OUT = "question of the test split"
_MINUS = re.compile(r"-(?<!\w-)(?=[$.\d])")
# Every character of the Unicode category P but the underscore, and some more.
_SIGN = re.compile(r"[^\w\s]")
# Tables for ASCII text and the sign of minus: what is left out or becomes a space, lower case, and digits alone.
_LEFT_OUT = bytes(code for code in range(128) if chr(code).isspace() or unicodedata.category(chr(code))[0] == "P")
_LOWER = bytes(range(256)).lower()
_SPACED = bytes(ord(" ") if code in _LEFT_OUT else lower for code, lower in enumerate(_LOWER))
_DIGITS = bytes(code if chr(code).isdigit() else ord(" ") for code in range(128)).ljust(256)


class Claim(NamedTuple):
    """A question's claim to its wording and its id; claims are heard in their natural order.

    ``order`` and ``rest`` are the content and ``row`` the place in the source, which decides between
    questions of the same content; ``key`` is the wording.
    """

    order: str
    rest: str
    row: int
    key: str
    id: str


def claim(row: int, question: Question) -> Claim:
    """The claim of the question at ``row``."""
    rest = (
        question.id,
        question.form,
        question.answer,
        question.low,
        question.high,
        question.domain,
        question.recorded_rationale,
        question.recorded_answer,
    )
    return Claim(order_key(question), repr(rest), row, duplicate_key(question), question.id)


def judged(claims: Iterable[Claim], held_out: Set[str]) -> Iterator[tuple[int, str | None]]:
    """Each row with the reason why it is not used, or None, in the order of content.

    ``held_out`` are the wordings of the test split. A claim that no other shares in wording or id can be
    left out: it would be granted, and changes nothing for the others.
    """
    ids: set[str] = set()
    seen: set[str] = set()
    for made in sorted(claims):
        reason = _refusal(made, ids, seen, held_out)
        if reason is None:
            ids.add(made.id)
            seen.add(made.key)
        yield made.row, reason


def order_key(question: Question) -> str:
    """The content hash that orders a split, so that the order of rows in a file does not matter."""
    return content_hash(question.text, question.choices)


def content_hash(text: str, choices: list[str] | None) -> str:
    """SHA-256, in hexadecimal, of a question's wording."""
    return hashlib.sha256(json.dumps([text, choices], ensure_ascii=False).encode()).hexdigest()


def duplicate_key(question: Question) -> str:
    """The same for questions that differ in case, spacing, punctuation or order of choices only; one line a part."""
    return "\n".join([_plain(question.text), *sorted(map(_plain, question.choices or []))])


def wording_hash(question: Question) -> int:
    """The same number for questions of the same ``duplicate_key``, and hardly ever for others; much faster.

    It tells questions apart by their letters and signs without spaces, and by the numbers in them.
    """
    told = "\0".join([question.text, *(question.choices or [])])
    plain = (_signed(told) if told.isascii() else duplicate_key(question).replace("\n", "\0")).encode()
    letters = plain.translate(_LOWER, _LEFT_OUT).split(b"\0")
    return hash(b"\0".join(sorted(letters) + sorted(plain.translate(_DIGITS).split())))


def _plain(text: str) -> str:
    if text.isascii():
        return " ".join(_signed(text).encode().translate(_SPACED).decode().split())
    folded = _signed(unicodedata.normalize("NFKC", text).casefold()).replace("_", " ")
    return " ".join(_SIGN.sub(_spaced, folded).split())


def _signed(text: str) -> str:
    # The minus of a number is no punctuation: questions that differ in it differ.
    return _MINUS.sub("−", text) if "-" in text else text


def _spaced(sign: re.Match[str]) -> str:
    return " " if unicodedata.category(sign[0])[0] == "P" else sign[0]


def _refusal(made: Claim, ids: Set[str], seen: Set[str], held_out: Set[str]) -> str | None:
    if made.key in held_out:
        return HELD_OUT
    if made.key in seen:
        return "duplicate question"
    return "duplicate id" if made.id in ids else None
