"""Typical questions first: the densest question of each cluster.

TypiClust (Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794): as many clusters as questions chosen and to choose,
at most 500; the largest cluster of those with the fewest chosen gives its most typical question, typicality being 1
over the mean distance to its nearest questions. Those are looked for in the whole pool, not in the cluster
alone, which keeps the search near linear; near questions nearly always share a cluster. Cost: k-means and the graph.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bridge_distill.config import Positive
from bridge_distill.section import Section
from bridge_distill.selection.clusters import cluster
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.neighbours import ONE, Few, Graph, Search
from bridge_distill.selection.strata import in_turn, served_first


class TypicalOptions(Section):
    """``most_clusters`` and ``neighbours`` as in the paper; clusters of at most ``too_small`` come last."""

    most_clusters: Positive = 500
    too_small: Annotated[int, Field(ge=0)] = 5
    neighbours: Few = 20
    probes: Few = 4


@selectors.register("typical")
class Typical(Selector[TypicalOptions]):
    """``gain`` is the typicality. The number of clusters depends on the budget, so the prefix does not hold."""

    options = TypicalOptions
    needs = frozenset({"embeddings"})
    prefix = False

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Clusters in turn, largest first; of equal typicality the first id."""
        settings, directions = self.settings, pool.directions
        k = min(count + len(pool.taken), settings.most_clusters)
        _, labels = cluster(directions, k, self.seed, self.threads)
        search = Search(settings.neighbours + 1, settings.probes, self.seed, self.threads)
        typicality = typicality_of(search.graph(directions))
        sizes = np.bincount(labels, minlength=k)
        by_size = sorted(np.flatnonzero(sizes), key=lambda number: (-sizes[number], number))
        order = np.argsort(-typicality, kind="stable")
        by_cluster = np.split(order[np.argsort(labels[order], kind="stable")], np.cumsum(sizes)[:-1])
        groups = served_first([by_cluster[number] for number in by_size], pool.is_taken)
        large = [group for group in groups if len(group) > settings.too_small]
        small = [group for group in groups if len(group) <= settings.too_small]
        rows = np.concatenate([in_turn(part) for part in (large, small) if part])
        return [
            Pick(int(row), float(typicality[row]), f"typical of a cluster of {sizes[labels[row]]} questions")
            for row in rows[~pool.is_taken[rows]][:count]
        ]


def typicality_of(graph: Graph) -> NDArray[np.float64]:
    """1 over the mean distance of unit vectors to a row's neighbours, itself left out, shape (n,)."""
    cosine = graph.similarity.astype(np.float64) / ONE
    distance = np.sqrt(np.maximum(2 - 2 * cosine, 0)).sum(axis=1) / max(1, graph.near.shape[1] - 1)
    # Rounded, since the order of a sum must not decide between equal questions.
    typicality: NDArray[np.float64] = 1 / np.maximum(np.round(distance, 6), 1e-6)
    return typicality
