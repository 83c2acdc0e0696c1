"""Difficulty-weighted coverage, our reading of BRIDGE's "entropic difficulty and semantic coverage".

Choose S to maximise sum_i w_i max_{j in S} sim(i, j): facility location over the graph of nearest neighbours,
similarity the cosine of centred embeddings, cut at 0. The weight w_i grows with the question's
difficulty, but not for the hardest share, which a small budget cannot teach (typical questions help more at low
budgets: Hacohen et al. 2022, arXiv 2202.02794). The paper's own formula is not public. Cost: the graph
(``neighbours``), then about ``count`` x (questions that each choice serves x neighbours); see ``coverage``.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bridge_distill.config import Positive
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.coverage import greedy, whole
from bridge_distill.selection.neighbours import Few, Search
from bridge_distill.selection.partition import partitioned


class BridgeOptions(Section):
    """What counts how much.

    ``neighbours``: candidates that can cover a question; ``probes``: lists searched for them in pools above
    10,000 questions; ``difficulty_weight``: 0 ignores difficulty, 1 gives the easiest question no weight;
    ``discount_hardest``: share of the pool that weighs like the easiest; ``parts``: above 1, the pool is
    chosen from in that many parts, which takes less memory and loses the prefix property (``partition``).
    """

    neighbours: Few = 32
    probes: Few = 4
    difficulty_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    discount_hardest: Annotated[float, Field(ge=0, lt=1)] = 0.1
    parts: Positive = 1


@selectors.register("bridge")
class Bridge(Selector[BridgeOptions]):
    """``gain`` is the weighted coverage that a question added, in questions of weight 1."""

    options = BridgeOptions
    needs = frozenset({"embeddings"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Greedily; of equal gains the first id."""
        settings, n = self.settings, len(pool)
        weights = whole(difficulty_weights(pool.hardness, settings.difficulty_weight, settings.discount_hardest))
        search = Search(settings.neighbours, settings.probes, self.seed, self.threads)
        if settings.parts > 1:
            found, judges = partitioned(pool.directions, weights, count, settings.parts, search, pool.taken)
        else:
            found, judges = greedy(search.graph(pool.directions), weights, count, pool.taken), n
        among = "" if judges == n else f" of a sample of {judges}"
        return [
            Pick(
                int(row),
                float(gain),
                f"nearest so far to {served} questions{among}; difficulty {pool.hardness[row]:.2f}",
            )
            for row, gain, served in zip(found.order, found.gains, found.served, strict=True)
        ]


def difficulty_weights(difficulty: NDArray[np.float64], weight: float, discount: float) -> NDArray[np.float64]:
    """Weights (n,) in 1-weight..1: linear in difficulty, except that the hardest share counts as the easiest."""
    bonus = difficulty.copy()
    if discount > 0:
        bonus[difficulty > np.quantile(difficulty, 1 - discount)] = 0
    weights: NDArray[np.float64] = 1 - weight + weight * bonus
    return weights
