"""Generalised coverage: the kernel version of ProbCover.

Choose S greedily to maximise the mean over the pool of max_{j in S} k(x_i, x_j) (MaxHerding: Bae, Noh and
Sutherland 2024, arXiv 2407.12212). ProbCover (Yehuda et al. 2022, arXiv 2205.11320) is the case of a kernel that is 1
within a radius and 0 outside. The smooth one is here and not ProbCover because that radius decides
ProbCover's result and has to be tuned on labels, which are what is to be saved, while a bandwidth matters little.
Gaussian kernel of the distance between directions, k = exp(-(1 - cosine) / bandwidth^2). Cost: as ``bridge``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill.config import Rate
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.coverage import greedy, whole
from bridge_distill.selection.neighbours import Few, Search


class MaxHerdingOptions(Section):
    """``bandwidth`` of the kernel: at 0.5, unrelated questions cover each other by 2%, as good as nothing.

    ``neighbours`` and ``probes`` are those of ``bridge``.
    """

    bandwidth: Rate = 0.5
    neighbours: Few = 32
    probes: Few = 4


@selectors.register("max_herding")
class MaxHerding(Selector[MaxHerdingOptions]):
    """``gain`` is the coverage that a question added, in questions."""

    options = MaxHerdingOptions
    needs = frozenset({"embeddings"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Greedily; of equal gains the first id."""
        width = self.settings.bandwidth**2

        def kernel(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.exp((np.minimum(cosine, np.float32(1)) - 1) / np.float32(width))

        search = Search(self.settings.neighbours, self.settings.probes, self.seed, self.threads, kernel)
        found = greedy(search.graph(pool.directions), whole(np.ones(len(pool))), count, pool.taken)
        return [
            Pick(int(row), float(gain), f"nearest so far to {served} questions, adds coverage {gain:.2f}")
            for row, gain, served in zip(found.order, found.gains, found.served, strict=True)
        ]
