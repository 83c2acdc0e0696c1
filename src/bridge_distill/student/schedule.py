"""How long each phase of a curriculum lasts, in optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bridge_distill.config import Student
from bridge_distill.errors import UserError
from bridge_distill.student.contract import Phase

_DEFAULT_EPOCHS = 3.0


def shares(settings: Student, phases: Sequence[Phase[Any]]) -> list[float | None]:
    """Each phase's share of the student's length, together 1; None for a phase that has a length of its own.

    Of what named shares leave, phases that warm up get ``warm_up`` where others are there too; each kind splits its
    part evenly. Raises ``UserError`` where named shares, or the warm-up, leave too much or too little.
    """
    items = settings.curriculum
    own = [item.steps is not None or item.epochs is not None for item in items]
    left = 1 - sum(item.share or 0 for item in items)
    waiting = [index for index, item in enumerate(items) if not own[index] and item.share is None]
    if not all(own) and (left < -1e-9 or (left > 1e-9) != bool(waiting)):
        problem = f"shares add up to {1 - left:g}{' and leave nothing to the other phases' * bool(waiting)}"
        raise UserError("student.curriculum", problem, "let them add up to 1, or leave one out")
    warming = [index for index in waiting if phases[index].warm_up]
    teaching = [index for index in waiting if not phases[index].warm_up]
    if warming and teaching and settings.warm_up == 1:
        problem = "1 leaves nothing to the phases that teach the task"
        raise UserError("student.warm_up", problem, "choose less, or leave those phases out")
    of_warm_up = settings.warm_up if warming and teaching else float(bool(warming))
    found: list[float | None] = [None if own[index] else item.share for index, item in enumerate(items)]
    for kind, part in ((warming, of_warm_up), (teaching, 1 - of_warm_up)):
        for index in kind:
            found[index] = left * part / len(kind)
    return found


def steps_of(
    settings: Student,
    phases: Sequence[Phase[Any]],
    examples: Sequence[int],
    index: int,
    mean_tokens: float,
    spent: Sequence[int],
) -> int:
    """Optimizer steps of phase ``index``, at least 1; ``examples`` is how many each phase has.

    ``spent`` are the real tokens that each phase before it has read and ``mean_tokens`` what one example of its own
    has: under ``student.tokens`` a phase gets its part of what is left of them, so that earlier phases' deviations
    are made good.
    """
    item, of = settings.curriculum[index], shares(settings, phases)
    share = of[index]
    if share is None:
        steps = item.steps or (item.epochs or 0) * examples[index] / settings.batch
    elif settings.tokens is not None:
        left = settings.tokens - sum(tokens for tokens, part in zip(spent, of, strict=False) if part is not None)
        steps = round(left * share / sum(part or 0 for part in of[index:]) / (mean_tokens * settings.batch))
    else:
        steps = round(share * _total(settings, phases, examples))
    return max(1, math.ceil(steps))


def _total(settings: Student, phases: Sequence[Phase[Any]], examples: Sequence[int]) -> int:
    if settings.steps is not None:
        return settings.steps
    teaching = [count for phase, count in zip(phases, examples, strict=True) if not phase.warm_up]
    largest = max(teaching or examples)
    return math.ceil((settings.epochs or _DEFAULT_EPOCHS) * largest / settings.batch)
