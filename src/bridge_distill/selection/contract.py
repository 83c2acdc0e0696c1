"""What a selector is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge_distill.config import Select
from bridge_distill.registry import Registry


@dataclass(frozen=True)
class Pool:
    """The training questions in the order of their ids: ``embeddings`` (n, width), ``difficulty`` (n,) in 0..1."""

    ids: list[str]
    embeddings: NDArray[np.float32]
    difficulty: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen question: its row in the pool, its gain in the selector's own unit, and why in words."""

    index: int
    gain: float | None
    reason: str


class Selector(Protocol):
    """One method. The order is that of worth, so a smaller budget keeps the best part of a larger one."""

    def __call__(self, pool: Pool, count: int, settings: Select, seed: int) -> list[Pick]:
        """Return exactly ``count`` picks (at most the pool's size), without duplicates, the same for the same seed."""


selectors: Registry[Selector] = Registry("selection method", "bridge_distill.selection.methods")
