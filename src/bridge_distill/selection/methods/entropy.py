"""Hardest first: uncertainty sampling (Lewis and Gale 1994, A sequential algorithm for training text classifiers).

No diversity at all; at budgets of 1-5% it is known to lose against random (Hacohen et al. 2022, arXiv 2202.02794),
and is here to be compared with. Cost: one sort.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors


class EntropyOptions(Section):
    """``by``: the signal to sort by, ``difficulty`` or one of the pool's own, such as ``answer_entropy``."""

    by: str = "difficulty"


@selectors.register("entropy")
class Entropy(Selector[EntropyOptions]):
    """``gain`` is the signal's value."""

    options = EntropyOptions
    needs = frozenset({"difficulty"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Largest first; of equal ones the first id."""
        values = pool.signal(self.settings.by, "select.options.by")
        taken = pool.is_taken
        picks = [
            Pick(int(row), float(values[row]), f"{self.settings.by} {values[row]:.2f}, rank {rank + 1}")
            for rank, row in enumerate(np.argsort(-values, kind="stable")[: count + len(pool.taken)])
            if not taken[row]
        ]
        return picks[:count]
