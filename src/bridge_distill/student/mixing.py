"""Two kinds of rows learnt at a ratio."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import TypeVar

T = TypeVar("T")


def mixed(one: Sequence[T], other: Sequence[T], share: float) -> list[T]:
    """Both kinds, each row at least once, the kind that is too rare repeated until ``one`` is ``share`` of all.

    Shares of 0 and 1 leave a kind out. Where there is only one kind, it is all there is to mix.
    """
    if share in (0, 1):
        return list(one if share else other)
    if not one or not other:
        return [*one, *other]
    wanted = round(share / (1 - share) * len(other))
    if wanted >= len(one):
        return [*islice(cycle(one), wanted), *other]
    return [*one, *islice(cycle(other), max(len(other), round((1 - share) / share * len(one))))]
