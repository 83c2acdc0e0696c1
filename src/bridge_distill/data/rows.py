"""One row of a source to one ``Question``, or the reason why not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge_distill.answers import answer_forms
from bridge_distill.answers.number import limits
from bridge_distill.config import Data
from bridge_distill.data.duplicates import content_hash
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question

NAMES = ("id", "question", "choices", "answer", "rationale", "domain", "limits", "scale", "expert_answer")
MOST_CHOICES = 26


class RejectedError(Exception):
    """Why a row is not used; caught where rows are counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Maker:
    """Makes questions of rows as the settings say; raises ``UserError`` for a name that is not ours."""

    def __init__(self, data: Data) -> None:
        for name in data.columns:
            if name not in NAMES:
                raise UserError(f"data.columns.{name}", "is no field of a question", nearest(name, NAMES))
        self.data = data
        self._columns = [data.columns.get(name, name) for name in NAMES]
        self._forms = {form: answer_forms.get(form, "data.answer") for form in data.forms}

    def question(self, values: Mapping[str, Any], encodable: bool = False) -> Question:
        """The question of a row, with gold in canonical spelling; raises ``RejectedError``.

        ``encodable`` says that the texts need no check for halves of surrogate pairs.
        """
        row = [*map(values.get, self._columns)]
        if not encodable:
            _check_encodable(row)
        name, asked, listed, told, explained, domain, between, scale, replied = row
        text = _question_text(asked)
        choices = _choices(listed)
        form, gold = self._gold(told, scale, choices)
        low, high = _limits(between) if form == "number" else (None, None)
        rationale = _text(explained)
        recorded = self._recorded(replied, form, choices) or (gold if rationale else None)
        name = _text(name) or content_hash(text, choices)[:16]
        question = Question(name, text, form, choices, gold, low, high, _text(domain), rationale, recorded)
        if gold is not None and not self._forms[form].correct(gold, question):
            raise RejectedError("answer outside its limits")
        return bounded(question, self.data.tolerance)

    def _gold(self, told: Any, scale: Any, choices: list[str] | None) -> tuple[str, str | None]:
        """The form and the canonical answer."""
        if isinstance(told, (list, tuple)):
            told = ", ".join(map(str, told))
        if isinstance(told, dict):
            raise RejectedError("answer is not text")
        text = _text(told)
        if text is None:
            return self.data.forms[0], None
        for name, form in self._forms.items():
            spelled = form.canonical(text, choices)
            if spelled is not None:
                scaled = form.canonical(f"{spelled} {scale}", choices) if name == "number" and scale else None
                return name, (scaled if scaled and not re.search("[a-z]", spelled) else spelled)
        if choices is not None and self.data.forms == ["choice"]:
            raise RejectedError("answer outside the choices")
        raise RejectedError(f"answer not of the form {' or '.join(self.data.forms)}")

    def _recorded(self, value: Any, form: str, choices: list[str] | None) -> str | None:
        text = _text(value)
        return None if text is None else self._forms[form].canonical(text, choices) or " ".join(text.split())


def bounded(question: Question, tolerance: float | None) -> Question:
    """Give a number with gold and without limits of its own the interval of ``tolerance`` around gold (``limits``)."""
    if question.form != "number" or question.answer is None or question.low is not None:
        return question
    low, high = limits(question.answer, tolerance)
    return replace(question, low=low, high=high)


def _check_encodable(row: Sequence[Any]) -> None:
    """Refuse half a surrogate pair, wherever it stands."""
    try:
        for value in row:
            if value is None:
                continue
            if type(value) is str:
                value.encode()
            elif _texts(value):
                "".join(value).encode()
            else:
                json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise RejectedError("not UTF-8") from None


def _texts(value: Any) -> bool:
    """Whether a value is a list of plain texts, and holds some."""
    return type(value) is list and set(map(type, value)) == {str}


def _question_text(value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise RejectedError("no question")
    if not isinstance(value, str):
        raise RejectedError("question is not text")
    return value.strip()


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, (list, dict)) else str(value).strip() or None


def _choices(value: Any) -> list[str] | None:
    if isinstance(value, str):
        value = _listed(value)
    if value is None or value == []:
        return None
    if not _texts(value):
        if not isinstance(value, list) or not all(isinstance(item, (str, int, float)) for item in value):
            raise RejectedError("choices are not a list of texts")
        value = [str(item) for item in value]
    if len(value) > MOST_CHOICES:
        raise RejectedError(f"more than {MOST_CHOICES} choices")
    return list(value)


def _listed(text: str) -> Any:
    """A list in one cell: JSON, or parts between bars."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [part.strip() for part in text.split("|") if part.strip()]


def _limits(value: Any) -> tuple[float | None, float | None]:
    if isinstance(value, str):
        value = _listed(value)
    if not value:
        return None, None
    try:
        low, high = (float(str(bound).replace(",", "")) for bound in value)
    except (ValueError, TypeError):
        raise RejectedError("limits are not two numbers") from None
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise RejectedError("limits are not two numbers in order")
    return low, high
