"""Gold perplexity: how surprised the model is by the right answer.

exp of the mean loss of the gold answer's tokens after the question and ``Answer:``; NaN where gold is
not known. It uses gold, which BRIDGE's entropies do not, so it also tells questions that the model
gets confidently wrong; on the other side a wrong gold answer looks like a hard question.

Cost: the gold answer's tokens, read after the prompt's own keys and values. Source: perplexity pruning
(Marion et al. 2023, arXiv 2309.04564), here of the answer alone since no reply exists yet.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.selection.measure import Batch, Column, Signal, signals


def measure(batch: Batch) -> tuple[Column]:
    """Perplexity, at least 1."""
    return (np.exp(batch.gold_loss),)


signals.register("gold_perplexity")(Signal(("gold_perplexity",), measure))
