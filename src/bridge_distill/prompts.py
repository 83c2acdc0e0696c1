"""Every text that any model sees: the teacher's prompt, the local models' prompt, the completion."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from bridge_distill import templates
from bridge_distill.answers import MARK, form_of, has_mark
from bridge_distill.records import Question

_HINT = re.compile(r"\bhint(?:s|ed)?\b", re.IGNORECASE)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def local(question: Question) -> str:
    """The prompt of every local model: the question, its choices, and how to end."""
    ask = f"Think step by step, then end with '{MARK} {form_of(question).instruction(question)}'."
    return f"{body(question)}\n{ask}"


def teacher(
    question: Question, max_words: int, structured: bool = False, trace: str = templates.FLAT
) -> list[dict[str, str]]:
    """Chat messages for the teacher, which is asked for a rationale of at most ``max_words``.

    ``structured`` asks for the JSON object that ``teacher.structure`` describes and reads, a hierarchical
    ``trace`` for a strategy before the steps.
    """
    ends = form_of(question).instruction(question)
    if trace == templates.FLAT:
        ask = _ask(ends, max_words, structured)
    else:
        ask = templates.ask(question.form, ends, MARK, max_words, structured)
    return [{"role": "system", "content": ask}, {"role": "user", "content": body(question)}]


def strategy(question: Question) -> str:
    """The prompt for the strategy alone, where the levels are separate tasks."""
    return f"{body(question)}\nWrite the strategy: a plan in one sentence, without numbers or names."


def tactics(question: Question, strategy_part: str) -> str:
    """The prompt for the steps that carry a strategy out (``traces.strategy_part``)."""
    return f"{body(question)}\n{strategy_part}\nCarry the strategy out in numbered steps."


def conclusion(question: Question, strategy_part: str, steps_part: str) -> str:
    """The prompt for the answer that follows from strategy and steps (``traces.steps_part``)."""
    end = f"Write the last line: '{MARK} {form_of(question).instruction(question)}'."
    return f"{body(question)}\n{strategy_part}\n{steps_part}\n{end}"


def hinted(question: Question, answer: str) -> Question:
    """The question with its answer given away: every prompt of a local model then holds the hint."""
    return replace(question, text=f"{question.text}\nHint: the answer is {answer}.")


def speaks_of_hint(text: str, hinted_question: Question) -> bool:
    """Whether an explanation mentions the hint that its question was given, where the question itself tells of none."""
    return len(_HINT.findall(hinted_question.text)) == 1 and _HINT.search(text) is not None


@lru_cache(maxsize=256)
def _ask(form: str, max_words: int, structured: bool) -> str:
    end = (
        f"Reply with one JSON object of two strings: 'explanation', and 'answer', which is {form} and nothing else."
        if structured
        else f"Then end with one last line: '{MARK} {form}'."
    )
    return (
        f"Explain briefly how to find the answer, in plain text and at most {max_words} words, so that a small "
        f"model can learn the steps. {end}"
    )


def new_question(domain: str | None, form: str | None) -> str:
    """The prompt for another question in a pool's manner, of a domain and an answer form where those are told apart."""
    about = f" Domain: {domain}." if domain is not None else ""
    ends = f" Form of its answer: {form.replace('_', ' ')}." if form is not None else ""
    return f"Write a question.{about}{ends}"


def explain(question: Question) -> str:
    """The prompt for an explanation without an answer, where the two are separate tasks."""
    return f"{body(question)}\nExplain the steps, without the answer's line."


def answer_line(answer: str) -> str:
    """The line that every reply's answer is read from, alone or after an explanation or before it."""
    return f"{MARK} {answer}"


def completion(explanation: str, answer: str) -> str:
    """The text that a local model learns to write: the explanation, then the answer's line."""
    return f"{explanation.strip()}\n{answer_line(answer)}"


def answer_first(explanation: str, answer: str) -> str:
    """The answer's line, then the explanation, in which no other line is taken for the answer's."""
    lines = [line for line in explanation.strip().splitlines() if not has_mark(line)]
    return "\n".join([answer_line(answer), *lines])


def explanation(reply: str) -> str:
    """The part of a reply before its last answer line (the whole reply where it has none)."""
    lines = reply.strip().splitlines()
    for index in range(len(lines) - 1, -1, -1):
        if has_mark(lines[index]):
            return "\n".join(lines[:index]).strip()
    return reply.strip()


def body(question: Question) -> str:
    """The question with its choices, without instructions."""
    lines = [f"{letter}) {text}" for letter, text in zip(LETTERS, listed(question), strict=False)]
    return "\n".join([question.text, *lines])


def listed(question: Question) -> list[str]:
    """The choices that stand below a question; none where its answer is one of two known words."""
    return [] if question.form == "yes_no" else question.choices or []
