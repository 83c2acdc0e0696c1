"""What a draft does next: go on, verify its steps, answer now, think on. Each either gives it a turn or passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge_distill import prompts
from bridge_distill.answers import MARK
from bridge_distill.arithmetic import FailedStep, failed_step
from bridge_distill.config import Guide
from bridge_distill.guidance.draft import CUED, FORCED, REDRAWN, STATED, Draft

_STEP_END = re.compile(r"\n|(?<=[.;:!?])[ \t]")


@dataclass(frozen=True)
class Turn:
    """Another piece of writing: at most ``room`` tokens, ending before a ``stop`` string."""

    room: int
    temperature: float
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """A guide, how many tokens a thought may have, how to draw, and how many tokens a text has."""

    guide: Guide
    limit: int
    temperature: float
    count: Callable[[str], int]


def next_turn(draft: Draft, rules: Rules) -> Turn | None:
    """The first turn that applies, for which the draft is made ready; None where it is done."""
    if draft.answered:
        return None
    return _go_on(draft, rules) or _verify(draft, rules) or _answer(draft, rules) or _think_on(draft, rules)


def _go_on(draft: Draft, rules: Rules) -> Turn | None:
    """It was cut off before its limit."""
    room = rules.limit - draft.thought
    return Turn(room, rules.temperature) if not draft.finished and room > 0 else None


def _verify(draft: Draft, rules: Rules) -> Turn | None:
    """A step failed: back to before it, or to before its result, which is stated."""
    guide = rules.guide
    if draft.acts.count(REDRAWN) + draft.acts.count(STATED) >= guide.retries:
        return None
    judged = draft.own if draft.finished else draft.own[: _last_step(draft.own)]
    found = failed_step(judged)
    if found is None:
        return None
    if guide.state_results and found.right is not None:
        text, act, temperature = f"{judged[: found.sign + 1]} {found.right}", STATED, rules.temperature
    else:
        text, act, temperature = _before(judged, found), REDRAWN, guide.retry_temperature
    return _back_to(draft, text, act, rules, temperature)


def _answer(draft: Draft, rules: Rules) -> Turn | None:
    """Its thought has reached the ceiling, or the limit after an answer was taken back: the answer alone is left.

    It may have been cut off within the mark.
    """
    taken_back = not {CUED, REDRAWN, STATED}.isdisjoint(draft.acts)
    if draft.finished or (rules.guide.ceiling is None and not taken_back):
        return None
    before, _, last = draft.own.rpartition("\n")
    thought = prompts.explanation(before if MARK.startswith(last) else draft.own)
    draft.rewind(f"{thought}\n{MARK}".lstrip(), draft.thought, FORCED)
    draft.answered = True
    return Turn(rules.guide.answer_tokens, rules.temperature, ("\n",))


def _think_on(draft: Draft, rules: Rules) -> Turn | None:
    """It ended below the floor: its answer is taken back, and it goes on after a cue."""
    guide = rules.guide
    if not draft.finished or not guide.floor or draft.acts.count(CUED) >= guide.cues:
        return None
    thought = prompts.explanation(draft.own)
    if rules.count(thought) >= guide.floor:
        return None
    return _back_to(draft, f"{thought}\n{guide.cue}".lstrip(), CUED, rules, rules.temperature)


def _back_to(draft: Draft, text: str, act: str, rules: Rules, temperature: float) -> Turn | None:
    """Rewind, where that leaves room to write."""
    tokens = rules.count(text)
    if tokens >= rules.limit:
        return None
    draft.rewind(text, tokens, act)
    return Turn(rules.limit - tokens, temperature)


def _before(text: str, step: FailedStep) -> str:
    """The text up to where the step begins, without the space before it."""
    return text[: _last_step(text[: step.sign])].rstrip(" \t")


def _last_step(text: str) -> int:
    """Where the last line or sentence of a text begins."""
    ends = [found.end() for found in _STEP_END.finditer(text)]
    return ends[-1] if ends else 0
