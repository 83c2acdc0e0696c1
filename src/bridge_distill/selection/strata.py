"""Groups of questions, by domain or by cluster, and fair orders through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.clusters import cluster
from bridge_distill.selection.contract import Pool

NO_DOMAIN = "no domain"


@dataclass(frozen=True)
class Strata:
    """The stratum of each question, ``of`` (n,), numbers into ``names``; each name has at least one question."""

    of: NDArray[np.int64]
    names: list[str]

    def groups(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The rows of ``order`` by stratum, in that order; strata without any are left out."""
        by_stratum = order[np.argsort(self.of[order], kind="stable")]
        return np.split(by_stratum, np.flatnonzero(np.diff(self.of[by_stratum])) + 1)


def strata(pool: Pool, clusters: int, seed: int, threads: int) -> Strata:
    """By domain where the pool has any, else by at most ``clusters`` clusters of its embeddings."""
    if pool.domains is None or all(name is None for name in pool.domains):
        return _by_cluster(pool, clusters, seed, threads)
    spelled = [NO_DOMAIN if name is None else name for name in pool.domains]
    names = sorted(set(spelled))
    number = {name: at for at, name in enumerate(names)}
    return Strata(np.array([number[name] for name in spelled]), names)


def _by_cluster(pool: Pool, clusters: int, seed: int, threads: int) -> Strata:
    _, labels = cluster(pool.directions, min(clusters, len(pool)), seed, threads)
    used, of = np.unique(labels, return_inverse=True)
    return Strata(of, [f"cluster {number}" for number in used])


@dataclass(frozen=True)
class Cells:
    """Clusters within domains: the cell of each question, ``of`` (n,), and the ``domain`` (cells,) of each cell.

    Domains are numbers into ``names``; ``labels`` (cells,) name cells for a reader.
    """

    of: NDArray[np.int64]
    domain: NDArray[np.int64]
    names: list[str]
    labels: list[str]


def cells(pool: Pool, clusters: int, seed: int, threads: int) -> Cells:
    """At most ``clusters`` clusters of the pool's embeddings, cut by domain; domains alone where it has none.

    Where no question has a domain, clusters are the domains.
    """
    domains = strata(pool, clusters, seed, threads)
    if pool.embeddings is None or pool.domains is None or all(name is None for name in pool.domains):
        return Cells(domains.of, np.arange(len(domains.names)), domains.names, domains.names)
    found = _by_cluster(pool, clusters, seed, threads)
    pairs, of = np.unique(domains.of * len(found.names) + found.of, return_inverse=True)
    domain, number = np.divmod(pairs, len(found.names))
    labels = [f"{domains.names[d]}, {found.names[c]}" for d, c in zip(domain, number, strict=True)]
    return Cells(of, domain, domains.names, labels)


def served_first(groups: Sequence[NDArray[np.int64]], taken: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Each group with the rows that are ``taken`` (n,) at its beginning: they count as what it was given first."""
    return [group[np.argsort(~taken[group], kind="stable")] for group in groups]


def in_turn(groups: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The first of each group, then the second of each, and so on."""
    turn = np.concatenate([np.arange(len(group)) for group in groups])
    number = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    order: NDArray[np.int64] = np.concatenate(list(groups))[np.lexsort((number, turn))]
    return order


def in_proportion(groups: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """An order of which every beginning holds each group in proportion to its size.

    Webster's divisor method: seats by descending size / (seats + 1/2). It is monotone in the number of
    seats, which quotas rounded by largest remainder are not, so a larger budget only adds.
    """
    wait = np.concatenate([(np.arange(len(group)) + 0.5) / len(group) for group in groups])
    number = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    order: NDArray[np.int64] = np.concatenate(list(groups))[np.lexsort((number, wait))]
    return order
