"""Practice tasks: questions in unlimited supply and an expert that explains each from its text alone.

A task is a data source (``practice:legal?n=800&seed=1&difficulty=0.5``) and, through ``solve``, the
knowledge behind the provider ``expert``.
"""

from __future__ import annotations

from random import Random
from typing import Protocol
from urllib.parse import parse_qsl

from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question
from bridge_distill.registry import Registry
from bridge_distill.traces import Trace

PREFIX = "practice:"
DEFAULTS = {"n": 400, "seed": 0, "difficulty": 0.3}
VERSION = 1
BLOCK = 4
_ATTEMPTS = 50


class PracticeTask(Protocol):
    """One kind of made question, and its expert. All methods are pure."""

    form: str

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """Make a question: its text and gold answer. ``variant`` takes 0 to 3 equally often in every
        four questions, for tasks that balance their answers; ``difficulty`` lies in 0..1."""

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """Explain the question found in ``text`` and end with its ``Answer:`` line, or None where the
        text is not of this task. ``error`` asks for plausible reasoning to a wrong answer."""

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """The same explanation as ``solve`` on two levels: the strategy of this kind of question, then steps."""


practice_tasks: Registry[PracticeTask] = Registry("practice task", "bridge_distill.practice")


def make(task: str, n: int, seed: int, difficulty: float, place: str = "data") -> list[Question]:
    """``n`` questions, no two of the same text; a longer run begins with a shorter one's questions."""
    member = practice_tasks.get(task, place)
    seen: set[str] = set()
    questions = []
    for index in range(n):
        text, gold = _fresh(member, task, seed, index, difficulty, seen, place)
        seen.add(text)
        questions.append(Question(f"{task}-{seed}-{index}", text, member.form, answer=gold, domain=task))
    return questions


def from_spec(spec: str, place: str = "data") -> list[Question]:
    """Make the questions that ``practice:task?n=..&seed=..&difficulty=..`` names."""
    task, n, seed, difficulty = parse_spec(spec, place)
    return make(task, n, seed, difficulty, place)


def parse_spec(spec: str, place: str = "data") -> tuple[str, int, int, float]:
    """Task, count, seed and difficulty of a spec, defaults filled in; raises ``UserError``."""
    task, _, query = spec.removeprefix(PREFIX).partition("?")
    practice_tasks.get(task, place)
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in DEFAULTS:
            raise UserError(place, f"unknown parameter {name!r} of a practice task", nearest(name, DEFAULTS))
    n = _whole(given, "n", place)
    seed = _whole(given, "seed", place)
    if n < 1:
        raise UserError(place, f"n={n} asks for no question", "ask for at least 1")
    return task, n, seed, _difficulty(given, place)


def explain(question: Question, *, phrasing: int, error: bool) -> str:
    """The expert's reply to a question of a practice task (``UserError`` where it is of none)."""
    reply = solve(question.text, phrasing, error)
    if reply is None:
        raise UserError(
            f"question {question.id}",
            "is of no practice task, so the built-in expert cannot explain it",
            "use another provider, or data from practice:...",
        )
    return reply


def solve(text: str, phrasing: int, error: bool) -> str | None:
    """The expert's reply to whatever text holds a practice question, or None where no task knows it."""
    for name in practice_tasks.names():
        reply = practice_tasks.get(name, "data").solve(text, phrasing, error)
        if reply is not None:
            return reply
    return None


def trace(text: str, phrasing: int, error: bool) -> Trace | None:
    """The expert's trace for whatever text holds a practice question, or None where no task knows it."""
    for name in practice_tasks.names():
        found = practice_tasks.get(name, "data").trace(text, phrasing, error)
        if found is not None:
            return found
    return None


def _fresh(
    member: PracticeTask, task: str, seed: int, index: int, difficulty: float, seen: set[str], place: str
) -> tuple[str, str]:
    block = Random(f"{task}:{seed}:{index // BLOCK}")
    variant = block.sample(range(BLOCK), BLOCK)[index % BLOCK]
    for attempt in range(_ATTEMPTS):
        text, gold = member.draw(Random(f"{task}:{seed}:{index}:{attempt}"), variant, difficulty)
        if text not in seen:
            return text, gold
    raise UserError(place, f"{task} has no more than {index} different questions to give", "ask for fewer (n)")


def _whole(given: dict[str, str], name: str, place: str) -> int:
    try:
        return int(given.get(name, DEFAULTS[name]))
    except ValueError:
        raise UserError(place, f"{name}={given[name]} is not a whole number", f"write such as {name}=1") from None


def _difficulty(given: dict[str, str], place: str) -> float:
    text = given.get("difficulty", str(DEFAULTS["difficulty"]))
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(place, f"difficulty={text} is not between 0 and 1", "write such as difficulty=0.5")
    return value
