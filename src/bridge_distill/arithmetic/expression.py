"""Expressions of numbers, by a small grammar of our own: exact values, and nothing is ever executed.

    sum     = term {(+ | -) term}
    term    = factor {(* | /) factor}       also the signs for times and divided by, an x between numbers, "20% of 50"
    factor  = [+ | -] (number | "(" sum ")")
    number  = [$] digits [. digits] [%]     digits plain or in groups of three by commas

Bounded: numbers of 30 digits, 20 brackets or signs in each other, and as long a text as ``REACH``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

REACH = 200
_DIGITS = 30
_DEPTH = 20
_TOKEN = re.compile(
    r"(?P<number>\$?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])|[0-9]+)(?:\.[0-9]+)?(?:\s?%)?)(?![\w.,]*\w)"
    r"|(?P<sign>[-+*/()])|\w+|\S"
)
_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/"})
_TIMES = re.compile(r"(?<=[0-9)%])\s+x\s+(?=[0-9($])|(?<=%)\s+of\s+(?=[0-9($])")


class UnclearError(Exception):
    """What is written is no expression of this grammar, or may mean more than one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A number (``decimals`` counts two more for a percentage), a sign, or, with empty ``text``, anything else."""

    start: int
    text: str = ""
    value: Fraction | None = None
    decimals: int = 0
    percent: bool = False


def plain_signs(text: str) -> str:
    """The text with the grammar's own signs for others that mean the same."""
    return _TIMES.sub(" * ", text.translate(_SIGNS))


def tokens_of(text: str) -> list[Token]:
    """What stands in a text, spaces left out."""
    return [_token(found) for found in _TOKEN.finditer(text)]


def value_of(tokens: list[Token]) -> Fraction:
    """The value of an expression. Raises ``UnclearError``, or ``ZeroDivisionError``."""
    return _Parser(tokens).whole()


def _token(found: re.Match[str]) -> Token:
    number = found["number"]
    if number is None:
        return Token(found.start(), found["sign"] or "")
    digits, percent = number.strip("$% \t").replace(",", ""), number.endswith("%")
    if len(digits) > _DIGITS:
        return Token(found.start())
    decimals = len(digits.partition(".")[2]) + 2 * percent
    return Token(found.start(), number, Fraction(digits) / (100 if percent else 1), decimals, percent)


class _Parser:
    """Recursive descent; each rule gives a value, and whether that is a percentage as written."""

    def __init__(self, tokens: list[Token]) -> None:
        self._left, self._depth = tokens[::-1], 0

    def whole(self) -> Fraction:
        value, _ = self._sum()
        if self._left:
            raise UnclearError
        return value

    def _sum(self) -> tuple[Fraction, bool]:
        value, percent = self._term()
        while self._next() in ("+", "-"):
            sign = self._left.pop().text
            added, added_percent = self._term()
            if added_percent and not percent:  # $50 + 10% is meant as a rise
                raise UnclearError
            value = value + added if sign == "+" else value - added
        return value, percent

    def _term(self) -> tuple[Fraction, bool]:
        value, percent = self._factor()
        while self._next() in ("*", "/"):
            sign = self._left.pop().text
            factor, _ = self._factor()
            value, percent = (value * factor if sign == "*" else value / factor), False
        return value, percent

    def _factor(self) -> tuple[Fraction, bool]:
        if not self._left:
            raise UnclearError
        token = self._left.pop()
        if token.value is not None:
            return token.value, token.percent
        self._depth += 1
        if self._depth > _DEPTH or token.text not in ("+", "-", "("):
            raise UnclearError
        value, percent = self._sum() if token.text == "(" else self._factor()
        if token.text == "(" and (not self._left or self._left.pop().text != ")"):
            raise UnclearError
        self._depth -= 1
        return (-value if token.text == "-" else value), percent

    def _next(self) -> str | None:
        return self._left[-1].text if self._left else None
