"""Farthest first: each choice is the question farthest from all chosen ones.

Gonzalez 1985, Clustering to minimize the maximum intercluster distance, TCS 38 (within twice the best radius);
for active learning Sener and Savarese 2018, arXiv 1708.00489. It chases outliers, the more so the smaller
the budget. Cost: questions x budget x width; memory: a float32 copy of the embeddings.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.neighbours import ONE


class KCenterOptions(Section):
    """There is nothing to set."""


@selectors.register("k_center")
class KCenter(Selector[KCenterOptions]):
    """``gain`` is 1 - cosine to the nearest chosen question when it was chosen."""

    options = KCenterOptions
    needs = frozenset({"embeddings"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Starts at the question nearest to the middle; of equal distances the first id."""
        rows = pool.directions.all()
        apart = np.full(len(rows), 2 * ONE, dtype=np.int32)

        def place(row: int) -> None:
            # Distances in whole steps: rounding noise must not decide between equal questions.
            np.minimum(apart, np.maximum(ONE - np.rint(rows @ rows[row] * ONE), 0).astype(np.int32), out=apart)
            apart[row] = -1

        picks: list[Pick] = []
        for earlier in pool.taken:
            place(int(earlier))
        if not len(pool.taken):
            middle = int(np.argmax(np.rint(rows @ rows.mean(axis=0) * ONE)))
            picks.append(Pick(middle, None, "nearest to the middle of the pool"))
            place(middle)
        while len(picks) < count:
            row = int(np.argmax(apart))
            distance = int(apart[row]) / ONE
            picks.append(Pick(row, distance, f"farthest from all chosen before, at 1 - cosine = {distance:.2f}"))
            place(row)
        return picks
