"""In which order a training reads its examples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

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


def as_given(order: Sequence[int], examples: Sequence[int], steps: int, batch: int) -> list[int]:
    """Row numbers in the order of the ``examples`` that they come from, ``steps * batch`` of them.

    An ``order`` that is too short is gone through again; examples that have no row (too long) are left out of it.
    """
    row_of = {example: row for row, example in enumerate(examples)}
    known = [row_of[example] for example in order if example in row_of]
    if not known:
        raise ValueError(f"none of the {len(order)} examples to be learnt in order is short enough")
    return list(islice(cycle(known), steps * batch))
