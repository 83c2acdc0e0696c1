"""Every test question with what each model wrote, packed for the page's own script to search, filter and draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge_distill.records import Question, Verdict
from bridge_distill.report.folder import Graded

# Characters of all texts together: as much as a browser reads in about a second.
ROOM = 32_000_000
LONGEST = 20_000


@dataclass(frozen=True)
class Browser:
    """What the page draws from: ``data`` is JSON that may stand in a script; the rest is for the words around it.

    Texts are cut to ``limit`` characters, which leaves out ``left_out`` of them from ``cut`` texts.
    """

    data: str
    questions: int
    models: list[str]
    domains: list[str]
    limit: int
    cut: int
    left_out: int


class Cutter:
    """Cuts texts to ``limit`` characters and counts what that leaves out."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.cut = self.left_out = 0

    def __call__(self, text: str | None) -> str | list[str | int] | None:
        """The text, or where it is too long its beginning and how many characters more it has."""
        if text is None or len(text) <= self.limit:
            return text
        more = len(text) - self.limit
        self.cut += 1
        self.left_out += more
        return [text[: self.limit], more]


def browser(questions: Sequence[Question], models: Sequence[Graded], room: int = ROOM) -> Browser | None:
    """Pack the questions and every model's verdicts, in the test set's order; None where no model was tested."""
    if not models or not questions:
        return None
    answered = [{verdict.question_id: verdict for verdict in model.verdicts} for model in models]
    cutter = Cutter(fitting(_lengths(questions, answered), room))
    domains = sorted({question.domain for question in questions if question.domain is not None})
    packed = {
        "domains": domains,
        "questions": _questions(questions, domains, cutter),
        "models": [
            {"label": model.label, **_verdicts(questions, found, cutter)}
            for model, found in zip(models, answered, strict=True)
        ],
    }
    names = [model.label for model in models]
    return Browser(_in_script(packed), len(questions), names, domains, cutter.limit, cutter.cut, cutter.left_out)


def fitting(lengths: Sequence[int], room: int = ROOM) -> int:
    """The largest limit, at most ``LONGEST``, for which texts of these lengths, cut to it, fit into ``room``."""
    ordered = np.sort(np.minimum(lengths, LONGEST))
    longer = np.arange(len(ordered), 0, -1)
    before = np.cumsum(ordered) - ordered
    # With the limit at the length of text i, all before it are whole, and it and the longer ones are cut to it.
    over = before + longer * ordered > room
    if not over.any():
        return LONGEST
    first = int(np.argmax(over))
    return max(int((room - before[first]) // longer[first]), 0)


def _lengths(questions: Sequence[Question], answered: Sequence[Mapping[str, Verdict]]) -> list[int]:
    asked = [len(text) for question in questions for text in (question.text, *(question.choices or []))]
    return asked + [len(verdict.text) for found in answered for verdict in found.values()]


def _questions(questions: Sequence[Question], domains: Sequence[str], cut: Cutter) -> dict[str, Any]:
    places = {domain: place for place, domain in enumerate(domains)}
    return {
        "ids": [cut(question.id) for question in questions],
        "texts": [cut(question.text) for question in questions],
        "choices": [question.choices and [cut(choice) for choice in question.choices] for question in questions],
        "answers": [cut(question.answer) for question in questions],
        "domains": [None if question.domain is None else places[question.domain] for question in questions],
    }


def _verdicts(questions: Sequence[Question], found: Mapping[str, Verdict], cut: Cutter) -> dict[str, Any]:
    rows = [found.get(question.id) for question in questions]
    return {
        "states": "".join(_state(row) for row in rows),
        "answers": [None if row is None else cut(row.answer) for row in rows],
        "texts": [None if row is None else cut(row.text) for row in rows],
    }


def _state(verdict: Verdict | None) -> str:
    """One letter: right, wrong, unreadable, as a capital where the text was cut off by the model's limit, or ``-``."""
    if verdict is None:
        return "-"
    letter = "r" if verdict.correct else "w" if verdict.parsed else "u"
    return letter.upper() if verdict.truncated else letter


def _in_script(value: Any) -> str:
    """JSON that no text in it can end the surrounding script of."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
