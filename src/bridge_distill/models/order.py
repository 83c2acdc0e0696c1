"""In which order a training reads its examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MEGABATCH = 16


def in_order(lengths: Sequence[int], steps: int, batch: int, seed: int) -> list[int]:
    """Row numbers in training order, ``steps * batch`` of them.

    Passes over all rows, each newly shuffled; within ``MEGABATCH`` batches rows of like length meet, to save
    padding, and the batches are shuffled again so that length does not become a schedule.
    """
    draw = np.random.default_rng(seed)
    needed = steps * batch
    stream = np.concatenate([draw.permutation(len(lengths)) for _ in range(-(-needed // len(lengths)))])[:needed]
    groups: list[list[int]] = []
    for start in range(0, needed, MEGABATCH * batch):
        part = sorted(stream[start : start + MEGABATCH * batch].tolist(), key=lambda i: lengths[i])
        cuts = [part[i : i + batch] for i in range(0, len(part), batch)]
        groups += [cuts[i] for i in draw.permutation(len(cuts))]
    return [i for group in groups for i in group]
