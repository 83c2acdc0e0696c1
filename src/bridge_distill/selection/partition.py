"""Coverage of pools whose graph does not fit in memory: greedy in parts, then greedy over what the parts offer.

GreeDi (Mirzasoleiman, Karbasi, Sarkar and Krause 2013, Distributed Submodular Maximization, NeurIPS): with ``m``
parts and ``k`` to choose, the answer is worth at least (1 - 1/e)^2 / min(m, k) of the best set, however
the pool is cut. It is cut at random here, for which the expected worth is at least (1 - 1/e) / 2
(Barbosa, Ene, Nguyen and Ward 2015, The Power of Randomization, ICML). Both hold for coverage of the rows that
judge: all, up to ``JUDGES``; above, a sample of them, whose mean coverage is off by about 1 in the root of
its size. Edges beyond the nearest neighbours count as 0, as in the unpartitioned graph.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.coverage import NOTHING, Covered, greedy
from bridge_distill.selection.neighbours import Search
from bridge_distill.selection.vectors import Directions

JUDGES = 200_000


def partitioned(
    directions: Directions,
    weights: NDArray[np.int64],
    count: int,
    parts: int,
    search: Search,
    taken: NDArray[np.int64] = NOTHING,
) -> tuple[Covered, int]:
    """Choose ``count`` rows as ``greedy`` does, holding one part of the pool at a time; also how many rows judged.

    Rows that are ``taken`` cover from the start, beside every part.
    Cost: a graph of the judges to each part; memory: the rows of a part and 12 bytes an edge of the judges. The
    choice for a smaller budget need not be the beginning of that for a larger one.
    """
    draw = np.random.default_rng(search.seed)
    n = len(directions)
    judges = np.arange(n) if n <= JUDGES else np.sort(draw.choice(n, JUDGES, replace=False))

    def cover(candidates: NDArray[np.int64]) -> Covered:
        beside = np.union1d(candidates, taken)
        graph = search.graph(directions, judges, beside)
        found = greedy(graph, weights[judges], min(count, len(candidates)), np.searchsorted(beside, taken))
        return Covered(beside[found.order], found.gains, found.served)

    free = draw.permutation(n)
    free = free[~np.isin(free, taken)]
    cuts = np.array_split(free, min(parts, len(free)))
    offers = [cover(part).order for part in cuts]
    answers = [cover(np.concatenate(offers)), *(cover(offer) for offer in offers if len(offer) >= count)]
    return max(answers, key=lambda answer: float(answer.gains.sum())), len(judges)
