"""Answer check: the answer with which the trace itself ends agrees with gold."""

from __future__ import annotations

import re

from bridge_distill.answers import form_of, has_mark, is_correct, read_answer
from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.settings import Settings
from bridge_distill.records import Question

_TAIL = 2000
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_HASHES = re.compile(r"^#{3,}\s*(.+)$", flags=re.MULTILINE)
_SAID = re.compile(r"\banswer(?:\s+is|\s*=)\s*:?\s*\**\s*([^\n]+?)\**\s*\.?\s*$", flags=re.IGNORECASE | re.MULTILINE)


@gates.register("answer")
def answer(trace: Trace, settings: Settings) -> str | None:
    """Refuse a trace that ends with another answer than gold, or (``unstated: drop``) with none.

    A question without gold passes: there is nothing to compare with.
    """
    question = trace.question
    if question.answer is None:
        return None
    said = stated(trace.rationale, question)
    if said is None and question.recorded_answer != question.answer:
        said = question.recorded_answer
    if said is None:
        return "states no answer" if settings.unstated == "drop" else None
    return None if is_correct(said, question) else "disagrees with gold"


def stated(text: str, question: Question) -> str | None:
    """The canonical answer after the last ``Answer:``, in the last ``\\boxed``, after ``####`` or ``the answer is``."""
    end = text[-_TAIL:]
    said = read_answer(end, question)
    if said is not None or has_mark(end):
        return said
    for pattern in (_BOXED, _HASHES, _SAID):
        found = pattern.findall(end)
        if found:
            return form_of(question).canonical(found[-1].strip(" $"), question.choices)
    return None
