"""Representatives: as many clusters as questions to choose, and the question nearest to each centroid.

Spherical k-means (``clusters``); for data selection Birodkar et al. 2019, arXiv 1901.11409, and many since. Cost:
questions x budget x width x 12 iterations on 128 questions a cluster, so it is slow for budgets of many thousands.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.section import Section
from bridge_distill.selection.clusters import cluster, grouped
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.strata import in_turn, served_first


class KMeansOptions(Section):
    """There is nothing to set: there is a cluster for each question to choose, and for each that is taken."""


@selectors.register("k_means")
class KMeans(Selector[KMeansOptions]):
    """Largest cluster first. Equal questions can leave clusters empty; the largest then give another each.

    A cluster that holds a taken question has had its turn. A smaller budget makes other clusters, so it is not the
    beginning of a larger one.
    """

    options = KMeansOptions
    needs = frozenset({"embeddings"})
    prefix = False

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """``gain`` is the size of the question's cluster."""
        directions = pool.directions
        k = count + len(pool.taken)
        centroids, labels = cluster(directions, k, self.seed, self.threads)
        sizes = np.bincount(labels, minlength=k)
        order = in_turn(served_first(grouped(directions, centroids, labels), pool.is_taken))
        return [
            Pick(int(row), float(sizes[labels[row]]), f"stands for a cluster of {sizes[labels[row]]} questions")
            for row in order[~pool.is_taken[order]][:count]
        ]
