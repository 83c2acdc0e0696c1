"""One of the listed choices, answered by its letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from string import ascii_uppercase

from bridge_distill.answers import answer_forms
from bridge_distill.answers.text import normalised
from bridge_distill.records import Question

_LETTER = re.compile(r"(?:option|choice)?\s*[(\[]?([A-Za-z])[)\].:]*", flags=re.IGNORECASE)
_MARKED = re.compile(r"(?:option|choice)?\s*(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])[).:\]])\s*(.+)")
_UNMARKED = re.compile(r"(?:option|choice)?\s*([A-Za-z])\s+(.+)")
_CLAUSE = re.compile(r"[,.;:](?:\s|$)|\s[-–—(]")
_REASON = re.compile(r"\b(?:because|since)\b", flags=re.IGNORECASE)
_ASIDE = re.compile(r"\([^()]{2,}\)")
_DENIED = re.compile(
    r"^(?:is\s+|was\s+)?(?:not|isn't|cannot|can't)\b|(?:^|[-–—:,;.(]\s*)(?:incorrect|wrong)\b|"
    r"\bis\s+(?:incorrect|wrong)\b(?!\s+to\b)|"
    r"\b(?:is|was)(?:\s+not|n't)\s+(?:the\s+|an?\s+)?(?:correct|right|best|true|answer)\b",
    flags=re.IGNORECASE,
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
        """Read ``B``, ``(B)``, ``B) no``, or a choice's text.

        A letter beside another choice's text or letter is none, and so is one that is denied.
        """
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
    if choices is None:
        return None
    return _letter_of(stripped, choices, _spelt) or _named(stripped, choices)


def _named(text: str, choices: list[str]) -> str | None:
    """The letter that a text names which is not just a choice."""
    marked = _MARKED.fullmatch(text)
    letter = _within(marked[1] or marked[2], choices) if marked else None
    if marked and letter:  # before the words without their articles, of which "A)" would be one
        return letter if _stands(letter, marked[3], choices) else None
    named = _letter_of(text, choices, normalised)
    unmarked = _UNMARKED.fullmatch(text)
    if named or not unmarked:
        return named
    letter = _within(unmarked[1], choices)
    return letter if letter == _letter_of(unmarked[2], choices, normalised) else None


def _stands(letter: str, said: str, choices: list[str]) -> bool:
    """Whether what is said beside a marked letter leaves it standing: it names no other choice and denies nothing."""
    beside = _letter_of(said, choices, normalised)
    if beside:
        return beside == letter
    clause = _CLAUSE.split(said, 1)[0]
    named = _letter_of(clause, choices, normalised)
    rest = _ASIDE.sub("", _REASON.split(said[len(clause) if named else 0 :], 1)[0])
    return named in (None, letter) and not _DENIED.search(rest) and not _other_letter(letter, rest, len(choices))


def _other_letter(letter: str, rest: str, count: int) -> bool:
    """Whether a text holds the mark of another of ``count`` choices, or joins its letter to the answer."""
    others = f"[{ascii_uppercase[:count].replace(letter, '') or letter.lower()}]"
    marks = rf"[(\[](?i:{others})[)\]]|(?<![\w.]){others}(?:[)\]]|[.:]\s+\w)"
    joined = rf"\b(?i:and|or|not|answer|answer\s+is|option|choice)\b\W{{0,3}}{others}(?!\w)"
    return re.search(f"{marks}|{joined}", rest) is not None


def _within(letter: str, choices: list[str] | None) -> str | None:
    upper = letter.upper()
    known = ascii_uppercase if choices is None else ascii_uppercase[: len(choices)]
    return upper if upper in known else None


def _letter_of(text: str, choices: list[str], spelling: Callable[[str], str]) -> str | None:
    plain = spelling(text)
    same = [letter for letter, choice in zip(ascii_uppercase, choices, strict=False) if spelling(choice) == plain]
    return same[0] if len(same) == 1 else None


def _spelt(text: str) -> str:
    """Case, width, spacing and the signs around a text set aside."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .,;:!?\"'")


answer_forms.register("choice")(Choice())
