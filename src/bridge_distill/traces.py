"""Hierarchical traces: an abstract strategy, the numbered steps that carry it out, the answer.

The format, which ``render`` writes and ``parse`` reads back:

    Strategy: compare the two amounts, then say which is larger.
    Steps:
    1. 12 is more than 9.
    2. So the first amount is larger.
    Answer: yes
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridge_distill.answers import MARK

Level = Literal["strategy", "tactics", "answer"]

STRATEGY = "Strategy:"
STEPS = "Steps:"
MENDED = "mended"
NO_STRATEGY = "flat: no strategy"
NO_STEPS = "flat: no steps"
_NUMBERED = re.compile(r"(?:step\s+)?\d{1,3}\s*[.):]\s+|[-*•]\s+", re.IGNORECASE)
_HEADING = re.compile(r"(?:(strategy|plan)|(steps|tactics))\s*:\s*(.*)", re.IGNORECASE)
_DECORATION = "*_#> \t`"
_SENTENCE = re.compile(r"(?<=[.?!;])\s+(?=[^\W\d_a-z]|\$?\d)")


@dataclass(frozen=True, slots=True)
class Trace:
    """An explanation on two levels; every part is one line that is not empty, and there is at least one step.

    Raises ``ValueError`` for any other part.
    """

    strategy: str
    steps: tuple[str, ...]
    answer: str

    def __post_init__(self) -> None:
        if not self.steps or not all(part and part == one_line(part) for part in (*self.steps, self.answer)):
            raise ValueError("a trace needs steps and an answer, each on one line")
        if not self.strategy or self.strategy != one_line(self.strategy):
            raise ValueError("a trace needs a strategy on one line")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a reply: its trace, or None; ``note`` is ``""``, ``MENDED``, or why it stays flat."""

    trace: Trace | None
    note: str


def render(trace: Trace) -> str:
    """The text that a local model learns to write."""
    return f"{strategy_part(trace.strategy)}\n{steps_part(trace.steps)}\n{MARK} {trace.answer}"


def strategy_part(strategy: str) -> str:
    """The line of the strategy."""
    return f"{STRATEGY} {strategy}"


def steps_part(steps: Sequence[str]) -> str:
    """The heading and the numbered lines of the steps."""
    return "\n".join([STEPS, *(f"{number}. {step}" for number, step in enumerate(steps, start=1))])


def parse(text: str) -> Trace | None:
    """The trace whose rendering is exactly ``text``, or None. Never raises."""
    lines = text.split("\n")
    if len(lines) < 4:
        return None
    first, _, *numbered, last = lines
    steps = tuple(line.removeprefix(f"{number}. ") for number, line in enumerate(numbered, start=1))
    try:
        trace = Trace(first.removeprefix(f"{STRATEGY} "), steps, last.removeprefix(f"{MARK} "))
    except ValueError:
        return None
    return trace if render(trace) == text else None


def read(explanation: str, answer: str) -> Reading:
    """The trace in a reply's ``explanation``, mended once where the format is not kept. Never raises.

    Mending puts signs, headings and numbers right: a strategy without its heading is what stands before the
    steps; steps without numbers are lines, or the sentences of the only line. No word is added or changed.
    """
    whole = parse(f"{explanation.strip()}\n{MARK} {answer}")
    if whole is not None:
        return Reading(whole, "")
    strategy, steps = _parts([line.strip(_DECORATION) for line in explanation.splitlines()])
    if not strategy:
        return Reading(None, NO_STRATEGY)
    if not steps:
        return Reading(None, NO_STEPS)
    return Reading(Trace(strategy, tuple(steps), one_line(answer)), MENDED)


def levels(text: str, strategy: str | None) -> list[tuple[Level, str]]:
    """A rationale's text cut into its levels; joined they are the text.

    A flat text is tactics and answer; one without an answer line is tactics alone.
    """
    head = f"{strategy_part(strategy)}\n" if strategy is not None else ""
    if not text.startswith(head):
        raise ValueError("the text does not begin with its strategy")
    start = text.rfind(f"\n{MARK}", len(head)) + 1
    end = start if start else len(text)
    parts: list[tuple[Level, str]] = [("strategy", head), ("tactics", text[len(head) : end]), ("answer", text[end:])]
    return [(level, part) for level, part in parts if part]


def sentences(explanation: str) -> list[str]:
    """The lines of a flat explanation, numbers before them left out, each cut into its sentences."""
    lines = map(unnumbered, explanation.splitlines())
    return [part for line in lines for part in _SENTENCE.split(line) if part]


def unnumbered(step: str) -> str:
    """A step on one line, without a number or sign before it."""
    plain = step.strip(_DECORATION)
    mark = _NUMBERED.match(plain)
    return one_line(plain[mark.end() :] if mark else plain)


def one_line(text: str) -> str:
    """The text with every run of white space made one space."""
    return " ".join(text.split())


def _parts(lines: Sequence[str]) -> tuple[str, list[str]]:
    """The strategy (``""`` where there is none) and the steps of a reply."""
    before: list[str] = []
    after: list[str] = []
    in_steps = headed = False
    for line in lines:
        heading = _HEADING.fullmatch(_undecorated(line))
        if heading and heading[1] and not headed and not in_steps:
            headed, before, line = True, [], heading[3]  # a preamble is no part of the strategy
        elif heading and heading[2] and not in_steps:
            in_steps, line = True, heading[3]
        in_steps = in_steps or _NUMBERED.match(line) is not None
        if line.strip(_DECORATION):
            (after if in_steps else before).append(line)
    if headed and not in_steps:
        before, after = before[:1], before[1:]
    return one_line(" ".join(before)), _steps(after)


def _undecorated(line: str) -> str:
    return line.replace("**", "").replace("__", "").strip(_DECORATION)


def _steps(lines: Sequence[str]) -> list[str]:
    """One step a numbered line, those that follow it included; without numbers, one a line or a sentence."""
    if not any(_NUMBERED.match(line) for line in lines):
        return sentences("\n".join(lines)) if len(lines) == 1 else [one_line(line) for line in lines]
    steps: list[str] = []
    for line in lines:
        if _NUMBERED.match(line) or not steps:
            steps.append(unnumbered(line))
        else:
            steps[-1] = one_line(f"{steps[-1]} {line}")
    return [step for step in steps if step]
