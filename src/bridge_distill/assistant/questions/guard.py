"""What a new question may not be: a copy of another one, or anything that gives a test question away.

Nothing shares a run of eight words with a test question (GPT-3's contamination check, Brown et al. 2020, arXiv
2005.14165, with a shorter window), unless the pool holds that run itself: what is the pool's own boilerplate is no
leak. A test question of fewer words counts as one run. Nothing is nearly a test question either, by exact comparison.
Test questions are held in memory, the pool is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bridge_distill import prompts
from bridge_distill.assistant.likeness import Crowd, Shelf, shingles
from bridge_distill.records import Question
from bridge_distill.wording import WORDS, runs, words_of

SHARED = f"shares {WORDS} words with a test question"
NEAR_TEST = "near duplicate of a test question"
NEAR_POOL = "near duplicate of the pool's"
NEAR_NEW = "near duplicate of a new one"


class Guard:
    """Knows the test, the pool and every new question that was admitted; ``scratch`` is a folder for its files."""

    def __init__(self, test: Sequence[Question], pool: Iterable[Question], max_alike: float, scratch: Path) -> None:
        self._max_alike = max_alike
        self._test = Crowd([shingles(wording(question)) for question in test])
        self._lengths = {length for question in test if (length := _length(question))}
        self._rare = {run for question in test if _length(question) for run in self._runs(question, _length(question))}
        self._pool, self._new = (Shelf(scratch / f"{name}.sqlite") for name in ("pool", "new"))
        for question in pool:
            self._pool.add(shingles(wording(question)))
            self._rare.difference_update(*(self._runs(question, length) for length in self._lengths))

    def refusal(self, question: Question) -> str | None:
        """Why a question is not asked, or None: then it is admitted, and counts for those that come later."""
        if any(run in self._rare for length in self._lengths for run in self._runs(question, length)):
            return SHARED
        told = shingles(wording(question))
        if self._test.nearest(told) >= self._max_alike:
            return NEAR_TEST
        for shelf, reason in ((self._pool, NEAR_POOL), (self._new, NEAR_NEW)):
            if shelf.holds(told, self._max_alike):
                return reason
        self._new.add(told)
        return None

    def close(self) -> None:
        """Delete the files."""
        self._pool.close()
        self._new.close()

    @staticmethod
    def _runs(question: Question, length: int) -> Iterable[int]:
        return runs(words_of(wording(question)), length)


def wording(question: Question) -> str:
    """A question's text and choices, without the letters that their order gives them."""
    return "\n".join([question.text, *prompts.listed(question)])


def _length(question: Question) -> int:
    """Words in a run that gives a test question away; 0 where it has none."""
    return min(len(words_of(wording(question))), WORDS)
