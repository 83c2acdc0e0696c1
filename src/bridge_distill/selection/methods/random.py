"""Uniform at random: the baseline that every other method has to beat."""

from __future__ import annotations

import numpy as np

from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors


class RandomOptions(Section):
    """There is nothing to set."""


@selectors.register("random")
class Random(Selector[RandomOptions]):
    """Draw without replacement. Cost: one permutation."""

    options = RandomOptions

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """In the order of the draw."""
        drawn = np.random.default_rng(self.seed).permutation(len(pool))
        return [Pick(int(row), None, "drawn at random") for row in drawn[~pool.is_taken[drawn]][:count]]
