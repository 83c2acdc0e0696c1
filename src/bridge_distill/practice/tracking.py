"""Spatial practice: who has what after a number of swaps.

In the manner of the shuffled objects of BIG-bench (Srivastava et al. 2022, arXiv 2206.04615), with which Fine-tune-CoT
(arXiv 2212.10071) and Mentor-KD measure the tracking of states. Difficulty adds people, swaps, kinds of things and
the question turned round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from bridge_distill.practice import practice_tasks
from bridge_distill.traces import Trace

STRATEGY = "Write down who has what, carry out the swaps one by one, and read off what is asked."
NAMES = (
    *("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivan", "Jane", "Karl", "Lena"),
    *("Max", "Nora", "Omar", "Pia", "Quinn", "Rosa", "Sam", "Tara", "Uma", "Viktor", "Wanda", "Yara"),
)
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "orange", "purple", "pink", "brown")
THINGS = ("ball", "book", "hat", "cup", "bag", "kite")
VERBS = ("swap", "trade", "exchange what they have")
_NAME = r"[A-Z][a-z]+"
_HAS = re.compile(rf"\b({_NAME}) has the ([a-z]+ [a-z]+)\b")
_SWAP = re.compile(rf"\b({_NAME}) and ({_NAME}) (?:{'|'.join(VERBS)})\b")
_WHAT = re.compile(rf"\bAt the end, what does ({_NAME}) have\?")
_WHO = re.compile(r"\bAt the end, who has the ([a-z]+ [a-z]+)\?")

State = dict[str, str]


@dataclass(frozen=True)
class Story:
    """Who has what at first, who swaps with whom, and the person, or else the thing, that is asked for."""

    start: State
    swaps: list[tuple[str, str]]
    person: str | None
    thing: str | None

    def states(self, skipped: int | None = None) -> Iterator[tuple[int, State]]:
        """Every swap's number and who has what after it, without the one that is ``skipped``."""
        now = dict(self.start)
        for number, (one, other) in enumerate(self.swaps):
            if number != skipped:
                now[one], now[other] = now[other], now[one]
                yield number, dict(now)

    def answer(self, skipped: int | None = None) -> str:
        """What the person, or who the thing, ends up with."""
        last = [self.start, *(state for _, state in self.states(skipped))][-1]
        if self.person is not None:
            return last[self.person]
        return next(name for name, thing in last.items() if thing == self.thing)

    def decisive(self) -> int | None:
        """The last swap that moves what is asked for: without it the answer is surely another. None without one."""
        last, now = None, self.start
        for number, state in self.states():
            pair = self.swaps[number]
            moved = self.person in pair if self.person is not None else self.thing in [now[name] for name in pair]
            last, now = number if moved else last, state
        return last


class Tracking:
    """Difficulty 0 has three people and two swaps, 1 six people and seven swaps."""

    form = "text"

    def draw(self, rng: Random, variant: int, difficulty: float) -> tuple[str, str]:
        """See ``PracticeTask``; ``variant`` has nothing to balance here. What is asked for moves at least once."""
        people = rng.sample(NAMES, 3 + round(3 * difficulty))
        colours = rng.sample(COLOURS, len(people))
        kinds = THINGS[: 1 + round(5 * difficulty)]
        start = {name: f"{colour} {rng.choice(kinds)}" for name, colour in zip(people, colours, strict=True)}
        swaps = [tuple(rng.sample(people, 2)) for _ in range(2 + round(5 * difficulty))]
        moved = rng.choice(swaps[-1])
        turned = rng.random() < difficulty
        story = Story(start, [(one, other) for one, other in swaps], None if turned else moved, None)
        if turned:
            last = [state for _, state in story.states()][-1]
            story = Story(start, story.swaps, None, last[moved])
        return _tell(story, rng, difficulty), story.answer()

    def solve(self, text: str, phrasing: int, error: bool) -> str | None:
        """See ``PracticeTask``."""
        found = read_story(text)
        if found is None:
            return None
        steps, answer = _explain(found, phrasing, error)
        return f"{' '.join(steps)}\nAnswer: {answer}"

    def trace(self, text: str, phrasing: int, error: bool) -> Trace | None:
        """See ``PracticeTask``."""
        found = read_story(text)
        if found is None:
            return None
        steps, answer = _explain(found, phrasing, error)
        return Trace(STRATEGY, tuple(steps), answer)


def read_story(text: str) -> Story | None:
    """Read the story back out of a question, or None where it is not of this kind."""
    start = dict(_HAS.findall(text))
    swaps = [(one, other) for one, other in _SWAP.findall(text) if one != other]
    what, who = _WHAT.search(text), _WHO.search(text)
    person, thing = what[1] if what else None, who[1] if who and not what else None
    known = all(name in start for pair in swaps for name in pair) and len(set(start.values())) == len(start)
    asked = person in start or (thing is not None and thing in start.values())
    if not swaps or not known or not asked:
        return None
    story = Story(start, swaps, person, thing)
    return story if story.decisive() is not None else None


def _tell(story: Story, rng: Random, difficulty: float) -> str:
    holds = [f"{name} has the {thing}" for name, thing in story.start.items()]
    verbs = VERBS[: 1 + round(2 * difficulty)]
    swaps = [f"{one} and {other} {rng.choice(verbs)}." for one, other in story.swaps]
    told = (
        f"{', '.join(holds[:-1])} and {holds[-1]}. First, {swaps[0]} {' '.join(f'Then, {each}' for each in swaps[1:])}"
    )
    ask = f"what does {story.person} have" if story.person is not None else f"who has the {story.thing}"
    return f"{told} At the end, {ask}?"


def _explain(story: Story, phrasing: int, error: bool) -> tuple[list[str], str]:
    """The steps of a rationale and its answer; one that errs overlooks the swap that matters."""
    skipped = story.decisive() if error else None
    answer = story.answer(skipped)
    style = phrasing % 3
    start = _listed(story.start, list(story.start), ("has", "with", "holding")[style])
    steps = [(f"At first {start}.", f"Start: {start}.", f"We begin {start}.")[style]]
    for number, state in story.states(skipped):
        one, other = story.swaps[number]
        now = _listed(state, [one, other], ("has", "with", "holding")[style])
        steps.append((f"{one} and {other} swap, so {now}.", f"After {one}-{other}: {now}.", f"Now {now}.")[style])
    asked = f"{story.person} has the {answer}" if story.person is not None else f"{answer} has the {story.thing}"
    return [*steps, (f"So at the end {asked}.", f"Result: {asked}.", f"In the end {asked}.")[style]], answer


def _listed(state: State, names: list[str], verb: str) -> str:
    told = [f"{name}{f' {verb}' if name == names[0] else ''} the {state[name]}" for name in names]
    return f"{', '.join(told[:-1])} and {told[-1]}"


practice_tasks.register("tracking")(Tracking())
