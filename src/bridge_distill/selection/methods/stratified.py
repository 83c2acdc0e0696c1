"""At random within each domain, or within each cluster of embeddings where domains tell no questions apart.

Proportional allocation (Neyman 1934, On the two different aspects of the representative method, JRSS 97), which
never has a larger variance than simple random sampling; quotas by Webster's method, see ``strata``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bridge_distill.config import Positive
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.strata import in_proportion, served_first, strata


class StratifiedOptions(Section):
    """``clusters``: how many strata are made where no question has a domain, or all have the same."""

    clusters: Positive = 20


@selectors.register("stratified")
class Stratified(Selector[StratifiedOptions]):
    """Every beginning of the choice holds each stratum in proportion to its size. Cost: one k-means, or nothing."""

    options = StratifiedOptions

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Draw within strata, and go through the strata in proportion."""
        shared = pool.domains is not None and len(set(pool.domains)) == 1 and pool.embeddings is not None
        found = strata(replace(pool, domains=None) if shared else pool, self.settings.clusters, self.seed, self.threads)
        groups = found.groups(np.random.default_rng(self.seed).permutation(len(pool)))
        order = in_proportion(served_first(groups, pool.is_taken))
        return [
            Pick(int(row), None, f"drawn at random within {found.names[found.of[row]]}")
            for row in order[~pool.is_taken[order]][:count]
        ]
