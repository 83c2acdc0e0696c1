"""A determinantal point process, greedily: hard questions that span a large volume together.

Maximise log det of L restricted to S, L_ij = q_i k(x_i, x_j) q_j, by the fast greedy MAP inference of Chen, Zhang
and Zhou 2018, arXiv 1709.05135; for instruction data Wang et al. 2024, arXiv 2402.02318. The quality q_i =
exp(quality x difficulty / 2) makes a question's own term quality x difficulty; k is a Gaussian kernel, since the
plain cosine has no more volume than the embeddings have dimensions. Cost: questions x budget x (width +
budget); memory: questions x budget numbers of 4 bytes.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bridge_distill.config import Rate
from bridge_distill.errors import UserError
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors

_FLAT = 1e-6


class DppOptions(Section):
    """``quality``: how much difficulty counts against diversity, 0 not at all; ``bandwidth`` of the kernel."""

    quality: Annotated[float, Field(ge=0)] = 1.0
    bandwidth: Rate = 0.5


@selectors.register("dpp")
class Dpp(Selector[DppOptions]):
    """``gain`` is what a question adds to the log determinant."""

    options = DppOptions
    needs = frozenset({"embeddings"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Of equal gains the first id. Questions that add no volume any more come last, hardest first."""
        _check_memory(len(pool), len(pool.taken) + count)
        log_quality = self.settings.quality * pool.hardness
        picks = self._spanning(pool.directions.all(), log_quality, count, pool.taken)
        left = ~pool.is_taken
        left[[pick.index for pick in picks]] = False
        rest = np.flatnonzero(left)
        rest = rest[np.argsort(-pool.hardness[rest], kind="stable")]
        return picks + [
            Pick(int(row), None, f"adds no volume to those before; difficulty {pool.hardness[row]:.2f}")
            for row in rest[: count - len(picks)]
        ]

    def _spanning(
        self, rows: NDArray[np.float32], log_quality: NDArray[np.float64], count: int, taken: NDArray[np.int64]
    ) -> list[Pick]:
        span = _Span(rows, len(taken) + count, self.settings.bandwidth)
        for earlier in taken:
            span.add(int(earlier))
        span.volume[taken] = 0
        picks: list[Pick] = []
        while len(picks) < count:
            worth = np.round(np.log(np.maximum(span.volume, 1e-300)) + log_quality, 6)
            row = int(np.argmax(np.where(span.volume > _FLAT, worth, -np.inf)))
            if not span.add(row):
                break
            picks.append(Pick(row, float(worth[row]), f"adds {worth[row]:.2f} to the log volume of those chosen"))
        return picks


class _Span:
    """The volume that each row would add to that of the rows added so far, by an incremental Cholesky factor.

    In units of quality a row's volume starts at 1, so that quality cannot overflow it.
    """

    def __init__(self, rows: NDArray[np.float32], most: int, bandwidth: float) -> None:
        self.volume = np.ones(len(rows))
        self._rows, self._bandwidth = rows, bandwidth
        self._factors = np.empty((most, len(rows)), dtype=np.float32)
        self._added = 0

    def add(self, row: int) -> bool:
        """Add a row; False where it has no volume left to add."""
        if self.volume[row] <= _FLAT:
            return False
        like = np.exp((self._rows @ self._rows[row] - 1) / self._bandwidth**2)
        like[row] = 1
        known = self._factors[: self._added]
        factor = (like - known.T @ known[:, row]) / np.sqrt(self.volume[row])
        self._factors[self._added] = factor
        self._added += 1
        self.volume = np.maximum(self.volume - factor.astype(np.float64) ** 2, 0)
        self.volume[row] = 0
        return True


def _check_memory(n: int, count: int) -> None:
    import psutil

    needed, free = 4 * n * count, psutil.virtual_memory().available
    if needed > 0.8 * free:
        problem = f"dpp would need {needed / 1e9:.0f} GB for {count} of {n} questions, {free / 1e9:.0f} are free"
        raise UserError("select.method", problem, "choose fewer, or use bridge or max_herding")
