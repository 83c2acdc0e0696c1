"""One row of a source to one ``Question``, or the reason why not."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge_distill.answers import answer_forms, is_correct
from bridge_distill.answers.number import limits
from bridge_distill.config import Data
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question

NAMES = ("id", "question", "choices", "answer", "rationale", "domain", "limits", "scale", "expert_answer")
MOST_CHOICES = 26


class RejectedError(Exception):
    """Why a row is not used; caught where rows are counted."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class _Gold:
    form: str
    answer: str | None


def check_columns(data: Data) -> None:
    """Refuse a mapping of a name that is not ours (``UserError``)."""
    for name in data.columns:
        if name not in NAMES:
            raise UserError(f"data.columns.{name}", "is no field of a question", nearest(name, NAMES))


def question_of(values: Mapping[str, Any], data: Data) -> Question:
    """Make the question of a row, with gold in canonical spelling; raises ``RejectedError``."""
    row = {name: values.get(data.columns.get(name, name)) for name in NAMES}
    _encodable(row)
    text = _question_text(row["question"])
    choices = _choices(row["choices"])
    gold = _gold(row, choices, data)
    low, high = _limits(row["limits"]) if gold.form == "number" else (None, None)
    rationale = _text(row["rationale"])
    question = Question(
        id=_text(row["id"]) or _content_hash(text, choices)[:16],
        text=text,
        form=gold.form,
        choices=choices,
        answer=gold.answer,
        low=low,
        high=high,
        domain=_text(row["domain"]),
        recorded_rationale=rationale,
        recorded_answer=_recorded(row["expert_answer"], gold, choices) or (gold.answer if rationale else None),
    )
    if gold.answer is not None and not is_correct(gold.answer, question):
        raise RejectedError("answer outside its limits")
    return bounded(question, data.tolerance)


def bounded(question: Question, tolerance: float) -> Question:
    """Give a number with gold and without limits of its own the interval of ``tolerance`` around gold."""
    if question.form != "number" or question.answer is None or question.low is not None:
        return question
    low, high = limits(question.answer, tolerance)
    return replace(question, low=low, high=high)


def order_key(question: Question) -> str:
    """The content hash that orders a split, so that the order of rows in a file does not matter."""
    return _content_hash(question.text, question.choices)


def duplicate_key(question: Question) -> tuple[str, ...]:
    """The same for questions that differ in case, spacing, punctuation or order of choices only."""
    return (_plain(question.text), *sorted(_plain(choice) for choice in question.choices or []))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    # The minus of a number is no punctuation: questions that differ in it differ.
    kept = re.sub(r"(?<!\w)-(?=[$.\d])", "−", folded)
    return " ".join("".join(" " if unicodedata.category(char)[0] == "P" else char for char in kept).split())


def _content_hash(text: str, choices: list[str] | None) -> str:
    return hashlib.sha256(json.dumps([text, choices], ensure_ascii=False).encode()).hexdigest()


def _encodable(row: Mapping[str, Any]) -> None:
    try:
        json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise RejectedError("not UTF-8") from None


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
    if not isinstance(value, list) or not all(isinstance(item, (str, int, float)) for item in value):
        raise RejectedError("choices are not a list of texts")
    if len(value) > MOST_CHOICES:
        raise RejectedError(f"more than {MOST_CHOICES} choices")
    return [str(item) for item in value]


def _listed(text: str) -> Any:
    """A list in one cell: JSON, or parts between bars."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [part.strip() for part in text.split("|") if part.strip()]


def _gold(row: Mapping[str, Any], choices: list[str] | None, data: Data) -> _Gold:
    told = row["answer"]
    if isinstance(told, (list, tuple)):
        told = ", ".join(map(str, told))
    if isinstance(told, dict):
        raise RejectedError("answer is not text")
    text = _text(told)
    if text is None:
        return _Gold(data.forms[0], None)
    for form in data.forms:
        spelled = _canonical(form, text, choices)
        scaled = _canonical(form, f"{spelled} {row['scale']}", choices) if form == "number" and row["scale"] else None
        if spelled is not None:
            return _Gold(form, scaled if scaled and not re.search("[a-z]", spelled) else spelled)
    outside = choices is not None and data.forms == ["choice"]
    raise RejectedError(
        "answer outside the choices" if outside else f"answer not of the form {' or '.join(data.forms)}"
    )


def _canonical(form: str, text: str, choices: list[str] | None) -> str | None:
    return answer_forms.get(form, "data.answer").canonical(text, choices)


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


def _recorded(value: Any, gold: _Gold, choices: list[str] | None) -> str | None:
    text = _text(value)
    return None if text is None else _canonical(gold.form, text, choices) or " ".join(text.split())
