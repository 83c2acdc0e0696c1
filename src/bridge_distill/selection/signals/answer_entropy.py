"""Answer entropy: how undecided the model is between the answers that a question can have.

H = -sum_c p(c) log p(c) in nats. Where the answers can be listed, p is the distribution of the token
after ``Answer:``, restricted to the first tokens of the options and normalised; where they cannot, or
do not differ there, p counts the distinct answers among ``score.samples`` sampled short ones. The
model says so without reasoning first: a proxy of whether it knows, not of whether it can find out.

Cost: none beside the one reading, or the sampled answers where they are needed. Source: predictive
entropy as an uncertainty score (Lewis and Gale 1994); over sampled answers as in self-consistency
(Wang et al. 2022, arXiv 2203.11171).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bridge_distill.answers import options_of
from bridge_distill.selection.measure import Batch, Column, Signal, signals
from bridge_distill.selection.signals.sampled_answers import shares


def measure(batch: Batch) -> tuple[Column]:
    """Entropy in nats."""
    firsts = [sorted({batch.answer_ids(option)[0] for option in options_of(question)}) for question in batch.questions]
    found, logits = np.full(len(firsts), np.nan), batch.reading.next_logits()
    for row, tokens in enumerate(firsts):
        if len(tokens) > 1:
            found[row] = _entropy(logits[row, tokens])
    rows = [int(row) for row in np.flatnonzero(np.isnan(found))]
    for row, part in zip(rows, shares(batch, rows), strict=True):
        found[row] = -float(np.sum(part * np.log(part)))
    return (found,)


def _entropy(logits: Any) -> float:
    logs = logits.log_softmax(-1)
    return float(-(logs.exp() * logs).sum())


signals.register("answer_entropy")(Signal(("answer_entropy",), measure, draws=True))
