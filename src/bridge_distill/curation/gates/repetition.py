"""Repetition: a trace that goes round in circles, whatever its length.

The share of runs of eight words that stand in the trace before (Rae et al. 2021, arXiv 2112.11446,
table A1, remove texts by the share of duplicate n-grams). A share, not a count: a long trace may
well say the same eight words three times.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.settings import Settings

_RUN = 8
# A run's number is a random linear form of its words: two runs hardly ever share one by chance.
_MIX = np.random.default_rng(8).integers(1, 1 << 62, 3, dtype=np.uint64) * 2 + 1


@gates.register("repetition")
def repetition(trace: Trace, settings: Settings) -> str | None:
    """Refuse a trace whose share of repeated runs is above ``max_repeated``."""
    return "repeats itself" if repeated_share(trace.rationale) > settings.max_repeated else None


def repeated_share(text: str) -> float:
    """Share of the runs of eight words that are not the first of their kind; 0 for a shorter text."""
    words = text.split()
    if len(words) < _RUN:
        return 0.0
    runs = np.fromiter(map(hash, words), dtype=np.int64, count=len(words)).view(np.uint64)
    for factor, step in zip(_MIX, (1, 2, 4), strict=True):  # runs of two words, of four, of eight
        runs = runs[:-step] * factor + runs[step:]
    runs.sort()
    return int(np.count_nonzero(runs[1:] == runs[:-1])) / len(runs)
