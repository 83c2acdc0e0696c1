"""Difficulty-weighted coverage, our reading of BRIDGE's "entropic difficulty and semantic coverage".

Facility location (Nemhauser, Wolsey and Fisher 1978: greedy is within 1 - 1/e of the best) over a sparse
graph of nearest neighbours: choose S to maximise sum_i w_i max_{j in S} sim(i, j). The weight w_i
grows with the question's difficulty, but not for the hardest share, which a small budget cannot
teach (typical questions help more at low budgets: Hacohen et al. 2022, arXiv 2202.02794). Lazy
evaluation after Minoux 1978. The paper's own formula is not public.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from bridge_distill.config import Select
from bridge_distill.selection.contract import Pick, Pool, selectors

_BLOCK = 1024


@selectors.register("bridge")
def bridge(pool: Pool, count: int, settings: Select, seed: int) -> list[Pick]:
    """Choose greedily; ``gain`` is the weighted coverage that a question added. Ties go to the first id."""
    weights = difficulty_weights(pool.difficulty, settings.difficulty_weight, settings.discount_hardest)
    rows, similarity = covered_by(pool.embeddings, settings.neighbours)
    covered = np.zeros(len(pool.ids))

    def gain_of(candidate: int) -> float:
        reach = rows[candidate]
        return float(weights[reach] @ np.maximum(similarity[candidate] - covered[reach], 0))

    heap = [(-gain_of(candidate), candidate) for candidate in range(len(pool.ids))]
    heapq.heapify(heap)
    picks: list[Pick] = []
    while len(picks) < count:
        _, candidate = heapq.heappop(heap)
        gain = gain_of(candidate)
        # Gains only shrink, so a candidate that still beats the next one's old gain is the best.
        if heap and (-gain, candidate) > heap[0]:
            heapq.heappush(heap, (-gain, candidate))
            continue
        reach = rows[candidate]
        nearer = int((similarity[candidate] > covered[reach]).sum())
        covered[reach] = np.maximum(covered[reach], similarity[candidate])
        reason = f"nearest so far to {nearer} questions; difficulty {pool.difficulty[candidate]:.2f}"
        picks.append(Pick(candidate, gain, reason))
    return picks


def difficulty_weights(difficulty: NDArray[np.float64], weight: float, discount: float) -> NDArray[np.float64]:
    """Weights (n,) in 1-weight..1: linear in difficulty, except that the hardest share counts as the easiest."""
    bonus = difficulty.copy()
    if discount > 0:
        bonus[difficulty > np.quantile(difficulty, 1 - discount)] = 0
    weights: NDArray[np.float64] = 1 - weight + weight * bonus
    return weights


def covered_by(
    embeddings: NDArray[np.float32], neighbours: int
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]:
    """For each candidate the questions that count it among their nearest, with cosine similarity in 0..1.

    Embeddings are centred first: mean hidden states share one large common direction. Every question
    covers itself fully.
    """
    centred = embeddings - embeddings.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    n, k = len(unit), min(neighbours, len(unit))
    near = np.empty((n, k), dtype=np.int64)
    close = np.empty((n, k))
    for start in range(0, n, _BLOCK):
        block = unit[start : start + _BLOCK] @ unit.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = 1.0
        near[start : start + _BLOCK] = np.argsort(-block, axis=1, kind="stable")[:, :k]
        close[start : start + _BLOCK] = np.take_along_axis(block, near[start : start + _BLOCK], axis=1)
    order = np.argsort(near.ravel(), kind="stable")
    cuts = np.cumsum(np.bincount(near.ravel(), minlength=n))[:-1]
    rows = np.split(np.repeat(np.arange(n), k)[order], cuts)
    similarity = np.split(np.clip(close.ravel()[order], 0, 1), cuts)
    return rows, similarity
