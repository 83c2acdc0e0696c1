"""Draft entropy: how unsure the model is of the words with which it begins to explain.

``draft_entropy`` is the mean over the first ``score.draft_tokens`` tokens of the model's own greedy
explanation of -sum_v p(v) log p(v), in nats; ``draft_top_entropy`` the mean over the fifth of those
tokens where it is highest, which are where an explanation forks (Wang et al. 2025, arXiv 2506.01939,
who found it for reinforcement learning of large models; for small ones it is not shown).

Cost: ``draft_tokens`` tokens written a question; the prompt is not read again.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.selection.measure import Batch, Column, Signal, signals


def measure(batch: Batch) -> tuple[Column, Column]:
    """Mean entropy, and mean entropy of the top fifth, in nats."""
    return np.array([draft.entropy for draft in batch.drafts]), np.array([draft.top_entropy for draft in batch.drafts])


signals.register("draft_entropy")(
    Signal(("draft_entropy", "draft_top_entropy"), measure, lambda settings: settings.draft_tokens)
)
