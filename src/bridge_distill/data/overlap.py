"""How much of the test questions' wording already stands in the training pool.

Word 8-grams, as in the contamination checks of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C)
with a shorter window, since questions are short. Only the test split's grams are held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bridge_distill.records import Question
from bridge_distill.wording import WORDS, runs, words_of

TOP = 20


def overlap(train: Sequence[Question], test: Sequence[Question]) -> dict[str, Any]:
    """``overlap``: count and share of test questions with any word 8-gram of the pool; ``overlap_top``: the 20
    that share the most, with the share of their own 8-grams."""
    wanted = {gram for question in test for gram in _grams(question)}
    seen = {gram for question in train for gram in _grams(question) if gram in wanted}
    shared = [(len(grams & seen), len(grams), question.id) for question in test if (grams := set(_grams(question)))]
    touched = sorted((row for row in shared if row[0]), key=lambda row: (-row[0] / row[1], row[2]))
    return {
        "overlap": {"words": WORDS, "questions": len(touched), "share": len(touched) / len(test)},
        "overlap_top": [{"id": name, "shared": found / total} for found, total, name in touched[:TOP]],
    }


def _grams(question: Question) -> Iterator[int]:
    return runs(words_of(question.text))
