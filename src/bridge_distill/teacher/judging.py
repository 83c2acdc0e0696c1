"""Replies to rationales: which can be learned from, and why the others cannot."""

from __future__ import annotations

import unicodedata

from bridge_distill import prompts
from bridge_distill.answers import MARK, is_correct, read_answer
from bridge_distill.records import EXPERT, Question, Rationale, Reply

KEPT = "kept"
_REFUSALS = ("content_filter", "refusal")
_FOREIGN = 0.5


def judge(reply: Reply, question: Question, max_words: int) -> Rationale:
    """The rationale in a reply, kept or with the reason why not (``""`` where kept)."""
    text, answer = reply.text.strip(), read_answer(reply.text, question)
    reason = _flaw(reply, text, answer, question, max_words)
    if answer is not None:
        text = prompts.completion(prompts.explanation(text), answer)
    return Rationale(question.id, reply.sample, EXPERT, text, answer, not reason, reason)


def foreign_share(text: str) -> float:
    """Share of the letters that are not Latin; 0 where there is no letter."""
    letters = [sign for sign in text if sign.isalpha()]
    return sum(not unicodedata.name(sign, "").startswith("LATIN") for sign in letters) / max(len(letters), 1)


def _flaw(reply: Reply, text: str, answer: str | None, question: Question, max_words: int) -> str:
    if reply.finish in _REFUSALS:
        return "refused"
    if not text:
        return "empty"
    if reply.finish == "length":
        return "cut off"
    if foreign_share(text) > _FOREIGN >= foreign_share(question.text):
        return "another language"
    if answer is None:
        return "wrong answer form" if _has_answer_line(text) else "no answer line"
    if not prompts.explanation(text):
        return "no explanation"
    if len(text.split()) > 2 * max_words:
        return "too long"
    if question.answer is not None and not is_correct(answer, question):
        return "disagrees with gold"
    return ""


def _has_answer_line(text: str) -> bool:
    return MARK.lower() in text.lower().replace("*", "")
