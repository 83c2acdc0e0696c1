"""The pick of s1 (Muennighoff et al. 2025, arXiv 2501.19393), on plain arrays: difficulty, then diversity.

A domain is drawn uniformly, in it a cluster uniformly, in that a trace with weight 2^-rank, the hardest
having rank 0. ReasonBridge (arXiv 2506.22865) names the same criteria, quality, difficulty and
diversity; its own algorithm is not public. s1's clusters are its domains, and its hand-picked first
384 traces have no counterpart here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Draw:
    """A row drawn, when it was the ``place``-th hardest (from 0) of the ``left`` rows left in its cluster."""

    index: int
    place: int
    left: int


def pick(
    difficulty: NDArray[np.float64],
    domains: Sequence[str],
    number: int,
    seed: int,
    clusters: Sequence[int] | NDArray[np.int64] | None = None,
    quotas: Mapping[str, int] | None = None,
) -> list[Draw]:
    """Draw ``number`` of n rows without replacement, or as many as there are within ``quotas`` (domain to most).

    All arrays have shape (n,); without ``clusters`` a domain is one. The draws are in order: fewer of
    them are the first ones, given the same quotas. Ties in difficulty go to the earlier row.
    """
    rng, draws = np.random.default_rng(seed), list[Draw]()
    groups = _groups(difficulty, domains, clusters)
    room = {domain: (quotas or {}).get(domain, len(domains)) for domain in groups}
    open_ = [domain for domain in groups if room[domain] > 0]
    while open_ and len(draws) < number:
        domain = open_[int(rng.integers(len(open_)))]
        parts = groups[domain]
        part = parts[int(rng.integers(len(parts)))]
        place = _place(rng.random(), len(part))
        draws.append(Draw(part.pop(-1 - place), place, len(part) + 1))
        room[domain] -= 1
        if not part:
            parts.remove(part)
        if not parts or not room[domain]:
            open_.remove(domain)
    return draws


def _groups(
    difficulty: NDArray[np.float64], domains: Sequence[str], clusters: Sequence[int] | NDArray[np.int64] | None
) -> dict[str, list[list[int]]]:
    """The rows of each cluster of each domain, by name, the hardest last."""
    found: dict[str, dict[int, list[int]]] = {domain: {} for domain in sorted(set(domains))}
    for index in np.lexsort((-np.arange(len(domains)), difficulty)):
        row = int(index)
        found[domains[row]].setdefault(0 if clusters is None else int(clusters[row]), []).append(row)
    return {domain: [parts[cluster] for cluster in sorted(parts)] for domain, parts in found.items()}


def _place(draw: float, count: int) -> int:
    """A place from 0 to ``count`` - 1 with weight 2^-place, from a uniform draw in [0, 1)."""
    whole = 1 - 2.0 ** -min(count, 60)
    return min(int(-math.log2(1 - draw * whole)), count - 1)
