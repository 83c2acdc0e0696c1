"""Likeliest: of all that the assistant wrote for a pool, what it is surest of.

A right answer does not make a sound explanation, least of all where there are two to choose from. Where the assistant
invents a fact or copies one wrongly it is unsure of some token, so that unsound explanations gather where its
likelihood is low (pseudo-labels are chosen by confidence as well: Lee 2013, "Pseudo-Label").
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from bridge_distill.assistant.contract import Filter, Sample, filters
from bridge_distill.assistant.quality import quality
from bridge_distill.config import Explaining
from bridge_distill.records import Question


@filters.register("likeliest")
class Likeliest(Filter):
    """Refuse what has less ``quality`` than the share ``keep_likeliest`` of all samples of the pool; 8 bytes each."""

    rank = 65
    whole_pool = True

    def __init__(self, settings: Explaining, scratch: Path) -> None:
        super().__init__(settings, scratch)
        self._qualities = array("d")

    def survey(self, sample: Sample) -> None:
        """Note its quality."""
        self._qualities.append(quality(sample))

    def refuse(self, question: Question, samples: Sequence[Sample]) -> list[str | None]:
        """One reason: less likely than most."""
        return [None if quality(sample) >= self._least else "less likely than most" for sample in samples]

    @cached_property
    def _least(self) -> float:
        """The lowest quality that is let through, once all have been surveyed."""
        ordered = np.sort(np.frombuffer(self._qualities))
        return float(ordered[-max(1, round(self.settings.keep_likeliest * len(ordered)))])
