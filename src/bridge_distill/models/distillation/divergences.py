"""How far a student's distribution is from the assistant's, in nats.

Both are log-probabilities of shape (..., events). The generalised Jensen-Shannon divergence is that of GKD (Agarwal et
al. 2024, arXiv 2306.13649); its ends are the forward Kullback-Leibler divergence, which makes a student cover all that
the assistant might say, and the reverse one (MiniLLM, Gu et al. 2024, arXiv 2306.08543), which makes it keep to what
the assistant would say.
"""

from __future__ import annotations

import math
from typing import Any

# The log-probability of what cannot be: finite, so that a share of zero times it is zero.
NEVER = -1e4


def divergence(assistant: Any, student: Any, beta: float) -> Any:
    """Shape (...): KL(assistant || student) at ``beta`` 0, KL(student || assistant) at 1, between them JSD(beta)."""
    if beta == 0:
        return forward(assistant, student)
    if beta == 1:
        return forward(student, assistant)
    import torch

    middle = torch.logaddexp(assistant + math.log(beta), student + math.log1p(-beta))
    return beta * forward(assistant, middle) + (1 - beta) * forward(student, middle)


def forward(of: Any, to: Any) -> Any:
    """KL(of || to), shape (...)."""
    return (of.exp() * (of - to)).sum(-1)
