"""Sampled answers: how far short answers drawn from the model disagree.

``sampled_disagreement`` is the share of ``score.samples`` answers that are not the most frequent one,
``sampled_entropy`` their entropy in nats. Answers are drawn at temperature 1, at most 12 tokens each,
forced to begin with ``Answer:``, and compared in canonical spelling; one that cannot be read counts
as its own text.

Cost: ``samples`` times 12 tokens written a question; the prompt is read once for all of them. Source:
self-consistency (Wang et al. 2022, arXiv 2203.11171); disagreement as a score for choosing questions
after Active-Prompt (Diao et al. 2023, arXiv 2302.12246).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bridge_distill.answers import MARK, read_answer
from bridge_distill.selection.measure import ANSWER_TOKENS, Batch, Column, Signal, signals


def measure(batch: Batch) -> tuple[Column, Column]:
    """Disagreement from 0 to 1, and entropy in nats."""
    found = shares(batch, range(len(batch.questions)))
    disagreement = np.array([1 - part.max() for part in found])
    return disagreement, np.array([-float(np.sum(part * np.log(part))) for part in found])


def shares(batch: Batch, rows: Sequence[int]) -> list[Column]:
    """For some questions, the share of each distinct answer among the sampled ones."""
    found = []
    for row, samples in zip(rows, batch.samples(rows), strict=True):
        question = batch.questions[row]
        counts = Counter(read_answer(f"{MARK} {sample.text}", question) or sample.text for sample in samples)
        found.append(np.array([*counts.values()]) / len(samples))
    return found


signals.register("sampled_answers")(
    Signal(
        ("sampled_disagreement", "sampled_entropy"),
        measure,
        lambda settings: settings.samples * ANSWER_TOKENS,
        draws=True,
    )
)
