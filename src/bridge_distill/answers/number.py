"""A number, with a scale word, a percent sign or a unit."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from bridge_distill.answers import answer_forms
from bridge_distill.records import Question

_FACTORS = {
    "": Fraction(1),
    "percent": Fraction(1, 100),
    "thousand": Fraction(10**3),
    "million": Fraction(10**6),
    "billion": Fraction(10**9),
    "trillion": Fraction(10**12),
}
_SHORT = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion"}
ROUNDED = 0.01  # of a number with decimals, which another rounding may write otherwise
_DIGITS = 100
_SMALL, _LARGE = Fraction(1, 10**40), Fraction(10**60)
_MINUS = str.maketrans({"−": "-", "–": "-", "‐": "-", "‑": "-", "⁄": "/", "×": "x"})
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_POWER = re.compile(r"(?<=[\d)])[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
# Fractions, lowered and circled digits: spelt plainly they would run into the digit beside them.
_APART = re.compile(r"(?<=\d)(?=[¼-¾⅐-↉₀-₉①-⓿])|(?<=[¼-¾⅐-↉])(?=\d)")
_PLAIN = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(
    rf"""(?:(?:about|approximately|approx\.?|around|roughly|is)\s+|[~≈]\s*)?
    (?P<open>\()?\s*(?P<sign>[-+]|(?:minus|negative)\s)?\s*(?P<money>us\$|usd|eur|gbp|[$€£¥₹])?\s*
    (?P<open2>\()?(?P<sign2>[-+])?\s*
    (?:(?P<whole>\d{{1,6}})\s+)?(?:(?P<top>\d{{1,15}})\s*/\s*(?P<bottom>\d{{1,15}})(?![\d/])|
    (?P<plain>{_PLAIN})(?:e(?P<power>[-+]?\d{{1,3}})(?![\w])|\s*[x*]\s*10\s*(?:\^|\*\*)\s*\(?(?P<ten>[-+]?\d{{1,3}})\)?)?)
    (?P<rest>.*)""",
    flags=re.VERBOSE | re.DOTALL,
)
_SCALE = re.compile(
    r"\s*(%|percent\b|per\ cent\b|percentage\b|pct\b|thousands?\b|millions?\b|billions?\b|trillions?\b)"
)
_UNIT = re.compile(r"\s*[.,;:!?]*\s*$|\s*[^\d\s.,/:-]")
_JOINED = re.compile(r"\s*(?:(?:[^\w\s()\[\]{}]+|[xe_])\s*\d|[*^+]\s*\([-+]?\d)")
_SECOND = re.compile(r"\s[-+~≈]?[$€£¥₹]?[-+]?\.?\d")
_BRACKETED = re.compile(r"\([^()]*\)")


class Number:
    """Canonical is a plain decimal, with its scale word or ``percent`` where one was written."""

    def instruction(self, question: Question) -> str:
        """``a number``."""
        return "a number"

    def options(self, question: Question) -> list[str]:
        """None: they cannot be listed."""
        return []

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """Read one number: separators, fractions, ``(12.6)`` for minus, scientific notation, money, percent.

        What follows the number is taken for its unit and ignored; after an ``=`` only the last side counts.
        A comma that groups no thousands (``12,5``), what is still to be computed (``3*4``, ``10^6``) and a second
        number beside the first are no number.
        """
        read = _read(text)
        return None if read is None else _spell(*read)

    def correct(self, answer: str, question: Question) -> bool:
        """Whether ``low <= answer <= high``, all in the scale that the gold answer spells.

        The scale is implied by the question, so gold ``-12.6 million`` accepts ``-12.6``, and by its value
        ``-12600000`` or ``-12600 thousand``. Gold ``6.67 percent`` accepts ``6.67`` but not ``0.0667``, which
        reads as 0.0667 percent. Against gold without a scale a percent sign counts as a unit or by its value.
        """
        given, gold = _read(answer), _read(question.answer or "")
        if given is None or gold is None:
            return False
        low, high = limits(question.answer or "", 1e-9)
        low = low if question.low is None else question.low
        high = high if question.high is None else question.high
        slack = 1e-9 * max(abs(low), abs(high))
        return any(low - slack <= float(value) <= high + slack for value in _readings(given, gold[1]))


def limits(gold: str, tolerance: float | None) -> tuple[float, float]:
    """The accepted interval around canonical ``gold``, in its own scale.

    ``tolerance`` is relative, and absolute around 0; None takes a whole number exactly, and one with decimals within
    ``ROUNDED``. Raises ``ValueError`` for what is no canonical number.
    """
    read = _read(gold)
    if read is None:
        raise ValueError(f"{gold!r} is not a canonical number")
    if tolerance is None:
        tolerance = 0 if read[0].denominator == 1 else ROUNDED
    value = float(read[0])
    margin = abs(value) * tolerance or tolerance
    return value - margin, value + margin


def _readings(given: tuple[Fraction, str], scale: str) -> list[Fraction]:
    value, own = given
    if own == scale:
        return [value]
    by_value = value * _FACTORS[own] / _FACTORS[scale]
    if own == "":
        return [value] if scale == "percent" else [value, by_value]
    return [value, by_value] if (own, scale) == ("percent", "") else [by_value]


@lru_cache(maxsize=1024)  # a question's gold is read by its maker, its limits and every comparison
def _read(text: str) -> tuple[Fraction, str] | None:
    raised = _POWER.sub(lambda power: "^" + power[0].translate(_RAISED), text)
    spelt = unicodedata.normalize("NFKC", _APART.sub(" ", raised))
    plain = spelt.translate(_MINUS).lower().rsplit("=", 1)[-1].strip()
    if len(plain) > 400:
        return None
    found = _NUMBER.fullmatch(plain)
    return None if found is None else _measured(found)


def _measured(found: re.Match[str]) -> tuple[Fraction, str] | None:
    value = _value(found)
    if value is None:
        return None
    rest = found["rest"]
    scale, rest = _scale(rest, money=bool(found["money"]))
    bracketed = bool(found["open"] or found["open2"])
    if bracketed:
        if not rest.startswith(")"):
            return None
        rest = rest[1:]
        scale, rest = (scale, rest) if scale else _scale(rest, money=bool(found["money"]))
    if not _UNIT.match(rest) or _JOINED.match(rest) or _SECOND.search(_BRACKETED.sub("", rest)):
        return None
    signs = sum((found[name] or "").strip() in ("-", "minus", "negative") for name in ("sign", "sign2")) + bracketed
    return (-value if signs % 2 else value), scale


def _value(found: re.Match[str]) -> Fraction | None:
    if found["top"]:
        if not int(found["bottom"]):
            return None
        return int(found["whole"] or 0) + Fraction(int(found["top"]), int(found["bottom"]))
    if found["whole"]:
        return None
    digits = found["plain"].replace(",", "")
    power = int(found["power"] or found["ten"] or 0)
    if len(digits) > _DIGITS or abs(power) > _DIGITS:
        return None
    value = Fraction(digits.rstrip(".")) * Fraction(10) ** power
    return value if not value or _SMALL < value < _LARGE else None


def _scale(rest: str, money: bool) -> tuple[str, str]:
    word = _SCALE.match(rest)
    if word:
        name = word[1].removesuffix("s")
        return (name if name in _FACTORS else "percent"), rest[word.end() :]
    short = re.match(r"\s?(k|mn|m|bn|b)\b", rest) if money else None
    return (_SHORT[short[1]], rest[short.end() :]) if short else ("", rest)


def _spell(value: Fraction, scale: str) -> str:
    digits = format((Decimal(value.numerator) / Decimal(value.denominator)).normalize(), "f")
    return f"{digits} {scale}".strip()


answer_forms.register("number")(Number())
