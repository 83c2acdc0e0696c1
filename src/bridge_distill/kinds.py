"""Kinds of questions: clusters of their wordings."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.curation.vectors import lexical
from bridge_distill.selection.clusters import cluster
from bridge_distill.selection.vectors import Directions


def kinds(texts: Sequence[str], seed: int) -> list[int]:
    """The kind of each text: about as many kinds as the root of the number of texts."""
    if len(texts) < 2:
        return [0] * len(texts)
    _, labels = cluster(Directions(lexical(texts, seed)), round(len(texts) ** 0.5), seed, 1)
    found: list[int] = labels.tolist()
    return found
