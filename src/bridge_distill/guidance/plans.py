"""Strategies to give before a model writes: of the nearest paid trace, or the commonest of its kind of question."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge_distill import prompts
from bridge_distill.abstraction import KindsFn, masked
from bridge_distill.records import Question

# The strategy for each question, the first of which has that position in its list.
Plans = Callable[[Sequence[Question], int], list[str]]
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Traced:
    """A paid question and its trace's strategy; ``row`` is its position in the pool."""

    question: Question
    strategy: str
    row: int


def make_plans(
    how: Literal["nearest", "cluster"],
    traced: Sequence[Traced],
    kinds: KindsFn,
    seed: int,
    vectors: NDArray[np.float32] | None = None,
) -> Plans:
    """What gives each question a strategy out of at least one paid trace.

    With ``vectors`` (pool, width) the questions to come are the pool's own and the nearest is by cosine; without, by
    the share of words that two questions have in common, numbers and names set aside. A question's kind is that of
    its nearest, of the kinds that ``kinds`` makes of the paid ones.
    """
    strategies = [one.strategy for one in traced]
    if how == "cluster":
        strategies = _commonest(strategies, kinds([_wording(one.question) for one in traced], seed))
    nearest = _by_words(traced) if vectors is None else _by_vectors(traced, vectors)
    return lambda questions, first: [strategies[at] for at in nearest(questions, first)]


def _commonest(strategies: Sequence[str], kinds: Sequence[int]) -> list[str]:
    groups: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for strategy, kind in zip(strategies, kinds, strict=True):
        groups[kind][strategy] += 1
    common = {kind: min(found, key=lambda one: (-found[one], one)) for kind, found in groups.items()}
    return [common[kind] for kind in kinds]


def _by_words(traced: Sequence[Traced]) -> Callable[[Sequence[Question], int], list[int]]:
    known = [_words(one.question) for one in traced]

    def nearest(questions: Sequence[Question], first: int) -> list[int]:
        asked = [_words(question) for question in questions]
        return [max(range(len(known)), key=lambda at: (_overlap(words, known[at]), -at)) for words in asked]

    return nearest


def _by_vectors(
    traced: Sequence[Traced], vectors: NDArray[np.float32]
) -> Callable[[Sequence[Question], int], list[int]]:
    known = _directions(vectors[[one.row for one in traced]])

    def nearest(questions: Sequence[Question], first: int) -> list[int]:
        found: list[int] = []
        for start in range(first, first + len(questions), _BLOCK):
            block = _directions(vectors[start : min(start + _BLOCK, first + len(questions))])
            found += (block @ known.T).argmax(1).tolist()
        return found

    return nearest


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = vectors.astype(np.float32)
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    found: NDArray[np.float32] = whole / np.maximum(lengths, 1e-12)
    return found


def _wording(question: Question) -> str:
    return masked(prompts.body(question))


def _words(question: Question) -> frozenset[str]:
    return frozenset(_wording(question).casefold().split())


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(len(one | other), 1)
