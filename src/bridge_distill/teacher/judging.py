"""Replies to rationales: which can be learned from, and why the others cannot."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from bridge_distill import prompts, templates, traces
from bridge_distill.abstraction import leak
from bridge_distill.answers import MARK, is_correct, read_answer
from bridge_distill.records import EXPERT, Question, Rationale, Reply
from bridge_distill.teacher import structure

KEPT = "kept"
DELIVERED_TWICE = "delivered twice"
_REFUSALS = ("content_filter", "refusal")
_FOREIGN = 0.5


def judge_all(
    replies: Sequence[Reply], questions: Mapping[str, Question], max_words: int, trace: str = templates.FLAT
) -> list[Rationale]:
    """The rationale in each reply, kept or with the reason why not, in the order of the replies."""
    twice = delivered_twice(replies)
    return [
        judge(reply, questions[reply.question_id], max_words, reply.request_hash in twice, trace) for reply in replies
    ]


def judge(
    reply: Reply, question: Question, max_words: int, twice: bool = False, trace: str = templates.FLAT
) -> Rationale:
    """The rationale in a reply, kept or with the reason why not (``""`` where kept).

    ``twice`` says that the reply was delivered to another question before. A hierarchical ``trace`` that
    cannot be read as one, or whose strategy gives its question away, stays flat for a stated reason.
    """
    text = structure.read(reply.text).strip()
    answer = read_answer(text, question)
    reason = DELIVERED_TWICE if twice else _flaw(reply, text, answer, question, max_words)
    if answer is None:
        return Rationale(question.id, reply.sample, EXPERT, text, answer, not reason, reason)
    explanation = prompts.explanation(text)
    text, strategy, note = prompts.completion(explanation, answer), None, None
    if trace == templates.HIERARCHICAL:
        reading = _read_trace(explanation, answer, question)
        note = reading.note
        if reading.trace is not None:
            text, strategy = traces.render(reading.trace), reading.trace.strategy
    return Rationale(question.id, reply.sample, EXPERT, text, answer, not reason, reason, strategy=strategy, note=note)


def _read_trace(explanation: str, answer: str, question: Question) -> traces.Reading:
    reading = traces.read(explanation, answer)
    given_away = None if reading.trace is None else leak(reading.trace.strategy, prompts.body(question))
    return (
        reading
        if given_away is None
        else traces.Reading(None, f"flat: the strategy holds a {given_away} of the question")
    )


def delivered_twice(replies: Sequence[Reply]) -> set[str]:
    """Request hashes whose reply was delivered to an earlier request of another question.

    Such a reply has the same text under the same id of the provider: it is stale or was mixed up.
    Questions of one wording share a request, and so rightly a reply.
    """
    first: dict[tuple[str, str], Reply] = {}
    twice = set()
    for reply in replies:
        if reply.reply_id:
            before = first.setdefault((reply.reply_id, reply.text), reply)
            if before.question_id != reply.question_id and before.request_hash != reply.request_hash:
                twice.add(reply.request_hash)
    return twice


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
