"""The loss of a student's tokens: their likelihood, and how far its distributions are from the assistant's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge_distill.models.distillation.divergences import divergence
from bridge_distill.models.distillation.events import Side, events, summed


@dataclass(frozen=True)
class Mix:
    """``weight`` is the divergence's share of the loss, the rest is cross-entropy; ``beta`` as in ``divergence``.

    Both distributions are softened by ``temperature`` and the divergence scaled by its square, so that its gradients
    keep their size (Hinton et al. 2015, arXiv 1503.02531).
    """

    weight: float
    beta: float
    temperature: float


@dataclass(frozen=True)
class Marked:
    """Spans of flat tokens (tokens,): each begins at one of ``starts`` and has ``lengths`` tokens; some are merged.

    ``logs`` are what the assistant gives its events, (spans, classes + 1), or, where ``kept`` (spans, k) names the
    classes that are told apart, (spans, k + 2).
    """

    starts: Any
    lengths: Any
    merged: Any
    logs: Any
    kept: Any = None


def mixed(logits: Any, targets: Any, marked: Marked, classes: Any, count: int, mix: Mix) -> Any:
    """The loss of each token (tokens,) from ``logits`` (tokens, vocabulary); a span's divergence is its first one's.

    ``classes`` (vocabulary,) are the student's, ``count`` is how many there are.
    """
    if mix.weight < 1:
        from torch.nn.functional import cross_entropy

        losses = (1 - mix.weight) * cross_entropy(logits, targets, reduction="none")
    else:
        losses = 0 * logits[:, 0]  # no loss of its own, but something to differentiate where nothing can be compared
    if not len(marked.starts):
        return losses
    places = _places(marked)
    whole = len(places) == len(targets)
    side = Side(logits if whole else logits[places], targets[places], marked.lengths, classes)
    found = events(side, marked.merged, count, mix.temperature)
    found = found if marked.kept is None else summed(found, marked.kept)
    apart = divergence(marked.logs.log_softmax(-1), found, mix.beta)
    return losses.index_add(0, marked.starts, mix.weight * mix.temperature**2 * apart)


def _places(marked: Marked) -> Any:
    """Where the tokens of all spans are, one span after the other."""
    import torch

    shifts = marked.starts - (marked.lengths.cumsum(0) - marked.lengths)
    total = int(marked.lengths.sum())
    return torch.repeat_interleave(shifts, marked.lengths) + torch.arange(total, device=shifts.device)
