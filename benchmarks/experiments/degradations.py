"""Five ways to make a rationale worse on purpose. Pure; a seed decides everything."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from bridge_distill.traces import sentences

_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


@dataclass(frozen=True)
class Worked:
    """An explanation and its answer; ``slip`` is the explanation and answer of one that errs early and goes on."""

    explanation: str
    answer: str
    slip: tuple[str, str]


def degrade(kind: str, pool: Sequence[Worked], share: float, seed: int) -> list[Worked]:
    """The pool with a share of it degraded; a larger share holds a smaller one of the same seed.

    Every kind degrades the same rationales. Raises ``KeyError`` for an unknown kind.
    """
    how = KINDS[kind]
    found = list(pool)
    for index in degraded(len(pool), share, seed):
        found[index] = how(pool, index, Random(f"{kind}:{seed}:{index}"))
    return found


def degraded(size: int, share: float, seed: int) -> list[int]:
    """Which rationales of a pool are degraded."""
    return Random(f"degraded:{seed}").sample(range(size), size)[: round(share * size)]


def wrong_answer(pool: Sequence[Worked], index: int, draw: Random) -> Worked:
    """The right explanation, then another answer of the pool. Raises ``ValueError`` where there is no other."""
    others = sorted({one.answer for one in pool} - {pool[index].answer})
    if not others:
        raise ValueError("all questions have the same answer, so that none is wrong")
    return replace(pool[index], answer=draw.choice(others))


def number_noise(pool: Sequence[Worked], index: int, draw: Random) -> Worked:
    """Every number of the explanation becomes another one of as many digits; the answer stays."""
    one = pool[index]
    return replace(one, explanation=_NUMBER.sub(lambda found: _other_number(found[0], draw), one.explanation))


def propagated_error(pool: Sequence[Worked], index: int, draw: Random) -> Worked:
    """One early step is wrong, and all that follows, the answer too, goes on from it."""
    explanation, answer = pool[index].slip
    return replace(pool[index], explanation=explanation, answer=answer)


def shuffled_steps(pool: Sequence[Worked], index: int, draw: Random) -> Worked:
    """The sentences in another order, where there is one; the answer stays last."""
    steps = sentences(pool[index].explanation)
    order = list(steps)
    while len(set(steps)) > 1 and order == steps:
        draw.shuffle(order)
    return replace(pool[index], explanation=" ".join(order))


def another_question(pool: Sequence[Worked], index: int, draw: Random) -> Worked:
    """The explanation and answer of another question. Raises ``ValueError`` where the pool has no other."""
    others = [place for place in range(len(pool)) if place != index]
    if not others:
        raise ValueError("a pool of one has no other question")
    return pool[draw.choice(others)]


KINDS: dict[str, Callable[[Sequence[Worked], int, Random], Worked]] = {
    "wrong answer": wrong_answer,
    "number noise": number_noise,
    "propagated error": propagated_error,
    "shuffled steps": shuffled_steps,
    "another question": another_question,
}


def _other_number(number: str, draw: Random) -> str:
    """Other digits in the same places, the first of several never 0."""
    found = number
    while found == number:
        lowest = int(len(re.findall(r"\d", number)) > 1)
        digits = [draw.randint(lowest if place == 0 else 0, 9) for place in range(len(number))]
        found = "".join(str(digit) if sign.isdecimal() else sign for sign, digit in zip(number, digits, strict=True))
    return found
