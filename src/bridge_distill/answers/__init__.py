"""Answer forms: how a kind of answer is asked for, read out of a text, and compared with gold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bridge_distill.records import Question
from bridge_distill.registry import Registry

MARK = "Answer:"
_MARKED = re.compile(r"\banswer[\s*_`]*:\s*([^\n]*)", flags=re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}\n]*)\}")
# Double stars between digits or brackets are a power, all others bold.
_TAG = re.compile(
    r"</?(?:b|i|em|strong|p|span|code|answer)>|<br ?/?>|(?<![\d)])\*\*|\*\*(?![\d(])", flags=re.IGNORECASE
)


class AnswerForm(Protocol):
    """One kind of answer. All methods are pure and never raise on any text."""

    def instruction(self, question: Question) -> str:
        """The words that follow ``Answer:`` in the instruction, e.g. ``yes or no``."""

    def options(self, question: Question) -> list[str]:
        """The canonical answers that this question can have, or none where they cannot be listed."""

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """The canonical spelling of an answer, or None where ``text`` is not one of this form."""

    def correct(self, answer: str, question: Question) -> bool:
        """Whether a canonical ``answer`` agrees with the question's gold (which is not None)."""


answer_forms: Registry[AnswerForm] = Registry("answer form", "bridge_distill.answers")


def form_of(question: Question) -> AnswerForm:
    """The answer form of a question."""
    return answer_forms.get(question.form, "data.answer")


def options_of(question: Question) -> list[str]:
    """The canonical answers that a question can have, or none where they cannot be listed."""
    return form_of(question).options(question)


def read_answer(text: str, question: Question) -> str | None:
    """Read the canonical answer out of a reply: what follows its last ``Answer:``, or None.

    Every model, reply and rationale is read by this one function. The mark is found in any case
    and under bold, heading or HTML signs; the answer ends at the line's end.
    """
    found = _marked(text)
    if not found:
        return None
    line = found[-1].strip()
    return form_of(question).canonical(line.strip(" \t*`") or line, question.choices)


def has_mark(text: str) -> bool:
    """Whether ``read_answer`` would look for an answer in this text."""
    return bool(_marked(text))


def _marked(text: str) -> list[str]:
    # Looking for a sign first is many times faster than the expressions, which most texts have nothing for.
    plain = _TAG.sub("", text) if "<" in text or "**" in text else text
    plain = _BOXED.sub(r"\1", plain) if "\\boxed" in plain else plain
    return _MARKED.findall(plain) if ":" in plain else []


def is_correct(answer: str | None, question: Question) -> bool:
    """Whether a canonical answer agrees with gold; False where either is missing."""
    return answer is not None and question.answer is not None and form_of(question).correct(answer, question)


def as_one(answers: Sequence[str | None], question: Question) -> list[str | None]:
    """Canonical answers, those that mean the same in one spelling, so that they can be counted; gold is not read.

    It is the commonest spelling, of equally common ones the first by its letters. None stays None.
    """
    blind = replace(question, low=None, high=None)
    spellings = Counter(answer for answer in answers if answer is not None)
    found: dict[str, str] = {}
    for spelling in sorted(spellings, key=lambda one: (-spellings[one], one)):
        alike = (one for one in dict.fromkeys(found.values()) if is_correct(spelling, replace(blind, answer=one)))
        found[spelling] = next(alike, spelling)
    return [None if answer is None else found[answer] for answer in answers]


def majority(answers: Sequence[str | None], question: Question) -> tuple[str | None, int]:
    """The answer that most of them mean, of equally common ones the first, and how many do; None where none is read."""
    votes = Counter(answer for answer in as_one(answers, question) if answer is not None)
    return votes.most_common(1)[0] if votes else (None, 0)
