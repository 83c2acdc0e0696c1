"""IFD, instruction-following difficulty: how little the question helps the model to the right answer.

The gold answer's perplexity after the question over that after an empty question; NaN where gold is
not known. Near 0 the question gives the answer away; above 1 it misleads, and the source drops those
items as badly aligned. Of an answer of one word the second perplexity only says how common that word is.

Cost: the gold answer's tokens after the prompt's own keys and values, and each distinct answer of a
batch once after an empty prompt. Source: Li et al. 2023, arXiv 2308.12032; that a small model ranks
like a large one: Superfiltering, Li et al. 2024, arXiv 2402.00530.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.models.reading import read
from bridge_distill.selection.measure import Batch, Column, Signal, mark_ids, signals


def measure(batch: Batch) -> tuple[Column]:
    """A ratio above 0."""
    answers = sorted({question.answer for question in batch.questions if question.answer is not None})
    if not answers:
        return (np.full(len(batch.questions), np.nan),)
    empty = read(batch.model, [batch.model.prompt_ids("")], mark_ids(batch.model))
    alone = dict(zip(answers, empty.loss([0] * len(answers), [*map(batch.answer_ids, answers)]), strict=True))
    without = np.array([alone.get(question.answer or "", np.nan) for question in batch.questions])
    return (np.exp(batch.gold_loss - without),)


signals.register("ifd")(Signal(("ifd",), measure))
