"""Which of the assistant's explanations a student should see, and why not the others."""

from __future__ import annotations

from collections import Counter

from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Tutor
from bridge_distill.models.generate import Generation
from bridge_distill.records import ASSISTANT, Question, Rationale
from bridge_distill.traces import parse

_REPEATED_WORDS = 8
_TIMES = 3


def judge(question: Question, sample: int, generation: Generation, settings: Tutor) -> Rationale:
    """The explanation with its verdict; the first reason that applies is the one given."""
    answer = read_answer(generation.text, question)
    reason = _fault(question, generation, answer, settings)
    trace, kept = parse(generation.text), reason is None
    strategy = None if trace is None else trace.strategy
    return Rationale(question.id, sample, ASSISTANT, generation.text, answer, kept, reason or "kept", strategy)


def _fault(question: Question, generation: Generation, answer: str | None, settings: Tutor) -> str | None:
    if not generation.finished:
        return "cut off"
    if answer is None:
        return "no readable answer"
    if repeats(generation.text):
        return "repetition"
    if len(generation.text.split()) > settings.max_words:
        return "too long"
    if settings.keep == "correct" and question.answer is not None and not is_correct(answer, question):
        return "disagrees with gold"
    return None


def repeats(text: str) -> bool:
    """Whether some run of eight words stands at least three times in the text."""
    words = text.split()
    runs = Counter(tuple(words[i : i + _REPEATED_WORDS]) for i in range(len(words) - _REPEATED_WORDS + 1))
    return any(count >= _TIMES for count in runs.values())
