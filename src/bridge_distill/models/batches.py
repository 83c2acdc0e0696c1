"""Batches of rows of like length, within a limit of tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def batches(lengths: Sequence[int], batch_tokens: int, lanes: int = 1) -> list[list[int]]:
    """Group indices by length, longest first, each group at most ``batch_tokens`` when padded.

    Where several ``lanes`` work at a time, groups are as small as leaves at most the next multiple of lanes, so that
    no lane waits long for another's last one.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    groups = _groups(order, lengths, batch_tokens)
    if lanes == 1 or not groups:
        return groups
    most = -(-len(groups) // lanes) * lanes
    # The fewer tokens a group may hold, the more groups there are.
    least = bisect_left(range(batch_tokens), True, key=lambda limit: len(_groups(order, lengths, limit)) <= most)
    return _groups(order, lengths, least)


def _groups(order: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    groups: list[list[int]] = []
    for index in order:
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= batch_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
