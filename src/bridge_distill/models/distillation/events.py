"""What can come next, in terms that two vocabularies share, each event with its log-probability.

An event is a class of tokens. Where the readings of a text part, the span that both go on with is an event of its own:
its probability is the product of its tokens' (as GOLD merges them, Patiño et al. 2025), and the class that it begins
with keeps the rest. Both sides' events are whole distributions, so a divergence of them never exceeds that of what they
sum up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.distillation.divergences import NEVER


@dataclass(frozen=True)
class Side:
    """One model's part of some spans: logits (tokens, vocabulary) that its ``tokens`` (tokens,) were read after.

    ``lengths`` (spans,) are how many tokens each span has, ``classes`` (vocabulary,) the class of each token.
    """

    logits: Any
    tokens: Any
    lengths: Any
    classes: Any


def events(side: Side, merged: Any, count: int, temperature: float) -> Any:
    """Log-probabilities (spans, ``count`` + 1) of every class at the start of each span, and of the span itself.

    Only ``merged`` spans (spans,), those that not both sides say in one token, are events of their own.
    """
    import torch

    logs = (side.logits.float() / temperature).log_softmax(-1)
    starts = side.lengths.cumsum(0) - side.lengths
    found = pooled(logs[starts], side.classes, count)
    said = logs.gather(1, side.tokens[:, None]).squeeze(1)
    owner = torch.repeat_interleave(torch.arange(len(starts), device=said.device), side.lengths)
    spans = torch.zeros(len(starts), device=said.device).index_add(0, owner, said)
    which = merged.nonzero().squeeze(1)
    first = side.classes[side.tokens[starts[which]]]
    left = _less(found[which, first], spans[which])
    found = found.index_put((which, first), left)
    return torch.cat([found, spans.where(merged, NEVER)[:, None]], 1)


def pooled(logs: Any, classes: Any, count: int) -> Any:
    """Log-probabilities (rows, ``count``) of classes from those of tokens (rows, vocabulary)."""
    import torch

    if logs.shape[1] == count and bool((classes == torch.arange(count, device=classes.device)).all()):
        return logs
    index = classes.expand(len(logs), -1)
    highest = torch.full((len(logs), count), NEVER, device=logs.device)
    highest = highest.scatter_reduce(1, index, logs.detach(), "amax")
    sums = torch.zeros_like(highest).scatter_add(1, index, (logs - highest.gather(1, index)).exp())
    return sums.clamp(min=torch.finfo(sums.dtype).tiny).log() + highest


def summed(found: Any, kept: Any) -> Any:
    """Log-probabilities (spans, k + 2) of the classes ``kept`` (spans, k), of all others together, and of the span."""
    import torch

    classes, span = found[:, :-1], found[:, -1:]
    others = classes.scatter(1, kept, NEVER).logsumexp(1, keepdim=True)
    return torch.cat([classes.gather(1, kept), others, span], 1)


def likeliest(found: Any, k: int) -> Any:
    """The ``k`` likeliest classes (spans, k) at the start of each span."""
    return found[:, :-1].topk(min(k, found.shape[1] - 1), dim=1).indices


def merging(spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which spans (spans, 2) are more than one token on some side."""
    return np.asarray((spans > 1).any(axis=1), dtype=np.bool_)


def _less(whole: Any, part: Any) -> Any:
    """The logarithm of the difference of two probabilities, of which the first is at least the second."""
    import torch

    # Rounding may make the part as large as the whole; its gradient must stay finite.
    gap = (part - whole).clamp(max=-1e-6)
    return whole + torch.log(-torch.expm1(gap))
