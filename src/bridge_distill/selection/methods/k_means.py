"""Representatives: as many clusters as questions to choose, and the question nearest to each centroid.

Spherical k-means (``clusters``); for data selection Birodkar et al. 2019, arXiv 1901.11409, and many since. Cost:
questions x budget x width x 12 iterations on 128 questions a cluster, so it is slow for budgets of many thousands.
"""

from __future__ import annotations

import numpy as np

from bridge_distill.section import Section
from bridge_distill.selection.clusters import cluster, grouped
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.strata import in_turn


class KMeansOptions(Section):
    """There is nothing to set: the number of clusters is the budget."""


@selectors.register("k_means")
class KMeans(Selector[KMeansOptions]):
    """Largest cluster first. Equal questions can leave clusters empty; the largest then give another each.

    A smaller budget makes other clusters, so it is not the beginning of a larger one.
    """

    options = KMeansOptions
    needs = frozenset({"embeddings"})
    prefix = False

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """``gain`` is the size of the question's cluster."""
        directions = pool.directions
        centroids, labels = cluster(directions, count, self.seed, self.threads)
        groups = grouped(directions, centroids, labels)
        sizes = np.bincount(labels, minlength=count)
        return [
            Pick(int(row), float(sizes[labels[row]]), f"stands for a cluster of {sizes[labels[row]]} questions")
            for row in in_turn(groups)[:count]
        ]
