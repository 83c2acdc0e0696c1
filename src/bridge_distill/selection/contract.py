"""What a selector is given and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError, nearest
from bridge_distill.registry import Registry
from bridge_distill.section import Section
from bridge_distill.selection.vectors import Directions, Floats, gathered

Options = TypeVar("Options", bound=Section)


@dataclass(frozen=True)
class Pool:
    """``n`` questions in ascending order of their distinct ids, and what is known of each.

    ``embeddings`` (n, width) and ``weighted``, their position-weighted version, are float16 or float32 and may
    be memory maps; ``difficulty`` (n,) lies in 0..1; ``signals`` are more columns (n,) by name, NaN where a
    question has none; ``target`` (m, width) are embeddings of questions like those that are to be answered well,
    in the space of ``weighted`` where that is given. None means unknown. ``taken`` are rows that were
    chosen earlier, in order of choosing: they are covered already and never chosen again. ``rows`` (n,) say which row
    of ``embeddings`` and ``weighted`` is each question's (None: that of its number), so methods read ``directions``.
    """

    ids: Sequence[str] | Sequence[int]
    embeddings: Floats | None = None
    difficulty: NDArray[np.float64] | None = None
    domains: Sequence[str | None] | None = None
    signals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    target: Floats | None = None
    weighted: Floats | None = None
    taken: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known(self) -> frozenset[str]:
        """Which of embeddings, difficulty and target are given."""
        parts = {"embeddings": self.embeddings, "difficulty": self.difficulty, "target": self.target}
        return frozenset(name for name, part in parts.items() if part is not None)

    @property
    def directions(self) -> Directions:
        """The embeddings, centred and scaled to length 1. Raises ``UserError`` where there are none."""
        if self.embeddings is None:
            raise UserError("embeddings", "are needed and not given", "give them, or domains where those do")
        return self._directions(self.embeddings)

    @property
    def weighted_directions(self) -> Directions:
        """Those of the position-weighted embeddings; of the plain ones where there are no others."""
        return self.directions if self.weighted is None else self._directions(self.weighted)

    def _directions(self, matrix: Floats) -> Directions:
        return Directions(matrix if self.rows is None else gathered(matrix, self.rows))

    @property
    def hardness(self) -> NDArray[np.float64]:
        """The difficulty, or 0.5 for every question where it is unknown."""
        return np.full(len(self), 0.5) if self.difficulty is None else self.difficulty

    @property
    def is_taken(self) -> NDArray[np.bool_]:
        """Whether each question was chosen earlier, shape (n,)."""
        found = np.zeros(len(self), dtype=np.bool_)
        found[self.taken] = True
        return found

    def part(self, rows: NDArray[np.int64]) -> Pool:
        """Some rows alone, in that order; they must hold those that are taken.

        Embeddings stay where they are until a method asks for directions.
        """
        place = np.full(len(self), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        return Pool(
            [self.ids[row] for row in rows],
            self.embeddings,
            None if self.difficulty is None else self.difficulty[rows],
            None if self.domains is None else [self.domains[row] for row in rows],
            {name: column[rows] for name, column in self.signals.items()},
            self.target,
            self.weighted,
            place[self.taken],
            rows if self.rows is None else self.rows[rows],
        )

    def signal(self, name: str, place: str) -> NDArray[np.float64]:
        """A column by name, ``difficulty`` among them; ``place`` names the option that asks.

        Raises ``UserError`` for a name that is none, and for a column that some questions lack.
        """
        columns = {**self.signals, **({} if self.difficulty is None else {"difficulty": self.difficulty})}
        if name not in columns:
            raise UserError(place, f"the pool has no signal {name!r}", nearest(name, columns))
        lacking = int((~np.isfinite(columns[name])).sum())
        if lacking:
            problem = f"{lacking} of {len(self)} questions lack the signal {name!r}"
            raise UserError(place, problem, "name a signal that all have, or leave those questions out")
        return columns[name]


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen question: its row in the pool, its gain in the selector's own unit, and why in words."""

    index: int
    gain: float | None
    reason: str


class Selector(ABC, Generic[Options]):
    """One method, with its options.

    ``options`` is the section that its options are validated against, ``needs`` what a pool must have for it
    (of embeddings, difficulty and target), ``prefix`` whether the choice for a smaller budget is the beginning
    of that for a larger one, and a choice given what is taken goes on where that ended.
    """

    options: ClassVar[type[Section]]
    needs: ClassVar[frozenset[str]] = frozenset()
    prefix: ClassVar[bool] = True

    def __init__(self, settings: Options, seed: int, threads: int) -> None:
        self.settings, self.seed, self.threads = settings, seed, threads

    @abstractmethod
    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Exactly ``count`` picks (1 to as many as are not taken), most wanted first; of equals the first id."""


selectors: Registry[type[Selector[Any]]] = Registry("selection method", "bridge_distill.selection.methods")
