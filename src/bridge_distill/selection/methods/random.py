"""Uniform at random: the baseline that every other method has to beat."""

from __future__ import annotations

import numpy as np

from bridge_distill.config import Select
from bridge_distill.selection.contract import Pick, Pool, selectors


@selectors.register("random")
def random(pool: Pool, count: int, settings: Select, seed: int) -> list[Pick]:
    """Draw ``count`` questions without replacement."""
    drawn = np.random.default_rng(seed).permutation(len(pool.ids))[:count]
    return [Pick(int(index), None, "drawn at random") for index in drawn]
