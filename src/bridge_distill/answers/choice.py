"""One of the listed choices, answered by its letter."""

from __future__ import annotations

import re
from string import ascii_uppercase

from bridge_distill.answers import answer_forms
from bridge_distill.answers.text import normalised
from bridge_distill.records import Question

_LETTER = re.compile(r"(?:option|choice)?\s*[(\[]?([A-Za-z])[)\].:]*", flags=re.IGNORECASE)
_LETTER_AND_TEXT = re.compile(
    r"(?:option|choice)?\s*(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])[).:\]]|([A-Za-z])\s)\s*(.+)"
)


class Choice:
    """Canonical is the letter; a letter comes before a choice of the same text."""

    def instruction(self, question: Question) -> str:
        """``one letter from A to E``."""
        last = ascii_uppercase[min(len(question.choices), 26) - 1] if question.choices else None
        return f"one letter from A to {last}" if last else "one letter"

    def options(self, question: Question) -> list[str]:
        """The letters of the choices."""
        return list(ascii_uppercase[: len(question.choices or [])])

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """Read ``B``, ``(B)``, ``B) no``, or a choice's text; a letter beside another choice's text is none."""
        return read_letter(text, choices)

    def correct(self, answer: str, question: Question) -> bool:
        """The same letter."""
        return answer == question.answer


def read_letter(text: str, choices: list[str] | None) -> str | None:
    """The letter of the choice that ``text`` names; without ``choices`` any letter that stands alone."""
    stripped = text.strip()
    alone = _LETTER.fullmatch(stripped)
    if alone:
        return _within(alone[1], choices)
    named = _letter_of(stripped, choices)
    if named or choices is None:
        return named
    both = _LETTER_AND_TEXT.fullmatch(stripped)
    if not both:
        return None
    letter = _within(both[1] or both[2] or both[3], choices)
    beside = _letter_of(both[4], choices)
    marked = both[3] is None
    return letter if letter == beside or (marked and beside is None) else None


def _within(letter: str, choices: list[str] | None) -> str | None:
    upper = letter.upper()
    known = ascii_uppercase if choices is None else ascii_uppercase[: len(choices)]
    return upper if upper in known else None


def _letter_of(text: str, choices: list[str] | None) -> str | None:
    plain = normalised(text)
    same = [
        letter for letter, choice in zip(ascii_uppercase, choices or [], strict=False) if normalised(choice) == plain
    ]
    return same[0] if len(same) == 1 else None


answer_forms.register("choice")(Choice())
