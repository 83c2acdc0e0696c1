"""Most like a target set: RDS+ (Ivison et al. 2025, arXiv 2503.01807).

The cosine of position-weighted hidden states between pool and target questions; target questions take turns, each
taking the pool's nearest question that is not taken yet. Uses the pool's position-weighted embeddings where
it has them, else the plain ones; the target's must be made alike. Cost: questions x targets x width; memory: a
float32 copy of the embeddings and 6 bytes for each target and question chosen.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.parallel import blocks, each
from bridge_distill.selection.vectors import Directions

_BLOCK = 16
_STEPS = (1 << 15) - 1


class RdsOptions(Section):
    """``by``: ``turns`` as in the paper, or ``mean``, the pool in order of the mean cosine to all targets."""

    by: Literal["turns", "mean"] = "turns"


@selectors.register("rds")
class Rds(Selector[RdsOptions]):
    """``gain`` is the cosine to the target that asked, or the mean cosine."""

    options = RdsOptions
    needs = frozenset({"embeddings", "target"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Of equal cosines the first id."""
        own = pool.weighted_directions
        assert pool.target is not None  # ``needs`` was checked
        targets = Directions(pool.target, own.centre).all()
        if self.settings.by == "mean":
            picks = _by_mean(own, targets, count + len(pool.taken))
        else:
            picks = _in_turns(own, targets, count + len(pool.taken), self.threads)
        return [pick for pick in picks if not pool.is_taken[pick.index]][:count]


def _by_mean(own: Directions, targets: NDArray[np.float32], count: int) -> list[Pick]:
    cosine = np.round(own.all() @ targets.mean(axis=0), 6)
    return [
        Pick(int(row), float(cosine[row]), f"mean cosine {cosine[row]:.2f} to the target questions")
        for row in np.argsort(-cosine, kind="stable")[:count]
    ]


def _in_turns(own: Directions, targets: NDArray[np.float32], count: int, threads: int) -> list[Pick]:
    # At most count rows are ever taken, so each target finds a free one among its nearest count.
    wishes, apart = _nearest(own.all(), targets, count, threads)
    picks: list[Pick] = []
    taken: set[int] = set()
    asked = [0] * len(targets)
    while True:
        for target, wish in enumerate(wishes):
            while int(wish[asked[target]]) in taken:
                asked[target] += 1
            row, close = int(wish[asked[target]]), 1 - float(apart[target, asked[target]]) / _STEPS
            taken.add(row)
            picks.append(Pick(row, close, f"nearest free question to target {target}, cosine {close:.2f}"))
            if len(picks) == count:
                return picks


def _nearest(
    rows: NDArray[np.float32], targets: NDArray[np.float32], count: int, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """The ``count`` rows nearest to each target, of equal ones the first, and 1 - cosine in steps of 1/``_STEPS``."""
    found = np.empty((len(targets), count), dtype=np.int32)
    apart = np.empty((len(targets), count), dtype=np.uint16)

    def sort(part: slice) -> None:
        steps = np.rint((1 - targets[part] @ rows.T) * _STEPS)
        for target, distances in enumerate(np.clip(steps, 0, 2 * _STEPS).astype(np.uint16), part.start):
            found[target] = np.argsort(distances, kind="stable")[:count]  # of 16 bits: by radix, in linear time
            apart[target] = distances[found[target]]

    each(sort, blocks(len(targets), _BLOCK), threads)
    return found, apart
