"""What the arithmetic tasks share: wordings that can be read back, rounded steps, ways to tell them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from bridge_distill.traces import Trace

NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CLOSE = Decimal("0.02")


@dataclass(frozen=True)
class Step:
    """One line of arithmetic: what is found, how, and the rounded result."""

    label: str
    working: str
    result: str

    @property
    def value(self) -> Decimal:
        """The rounded result, with which later steps go on."""
        return Decimal(self.result.replace(",", ""))


@dataclass(frozen=True)
class Working:
    """A rule, the steps that carry it out, and the unit or scale of the last result.

    ``strategy`` is the rule without a number, where the rule itself has one.
    """

    rule: str
    steps: list[Step]
    scale: str = ""
    strategy: str = ""

    @property
    def answer(self) -> str:
        """The last result in canonical spelling."""
        return f"{self.steps[-1].result.replace(',', '')} {self.scale}".strip()


def step(label: str, working: str, exact: Decimal, places: int) -> Step:
    """A step whose result is rounded half up to at most ``places`` decimals."""
    return Step(label, working, spell(exact, places))


def spell(exact: Decimal, places: int) -> str:
    """A number with thousands separators and at most ``places`` decimals."""
    value = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    digits = f"{value:,f}"
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) if value else "0"


def tell(working: Working, phrasing: int) -> str:
    """The rationale in one of three phrasings, with its answer line."""
    lines = [(f"{part.label}", f"{part.working} = {part.result}") for part in working.steps]
    style = phrasing % 3
    if style == 0:
        told = " ".join([f"{working.rule}.", *(f"{_capital(label)}: {sum_}." for label, sum_ in lines)])
    elif style == 1:
        numbered = [f"{number}. Find {label}: {sum_}" for number, (label, sum_) in enumerate(lines, start=1)]
        told = "\n".join([f"Plan: {working.rule[0].lower()}{working.rule[1:]}.", *numbered])
    else:
        told = " ".join(f"{word} {label} is {sum_}." for word, (label, sum_) in zip(_order(lines), lines, strict=True))
    return f"{told}\nAnswer: {working.answer}"


def lay_out(working: Working) -> Trace:
    """The rationale on two levels; its steps have one phrasing."""
    steps = tuple(f"{_capital(part.label)}: {part.working} = {part.result}." for part in working.steps)
    return Trace(f"{working.strategy or working.rule}.", steps, working.answer)


def differ(draw: Callable[[Random], str], work: Callable[[str, bool], Working], rng: Random) -> tuple[str, str]:
    """Draw a question whose right and wrong answers are well apart; returns its text and gold."""
    while True:
        text = draw(rng)
        right, wrong = work(text, False), work(text, True)
        apart = abs(right.steps[-1].value - wrong.steps[-1].value)
        if right.steps[-1].value and apart > _CLOSE * abs(right.steps[-1].value):
            return text, right.answer


def pattern(template: str, **fields: str) -> re.Pattern[str]:
    """The expression that reads a template's fields back; a field without one is a number."""
    parts = re.split(r"\{(\w+)\}", template)
    named = [
        re.escape(part) if index % 2 == 0 else f"(?P<{part}>{fields.get(part, NUMBER)})"
        for index, part in enumerate(parts)
    ]
    return re.compile("".join(named))


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _order(lines: list[tuple[str, str]]) -> list[str]:
    return ["First,", *(["Then"] * (len(lines) - 2)), *(["So"] if len(lines) > 1 else [])]
