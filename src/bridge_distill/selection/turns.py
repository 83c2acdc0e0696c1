"""Domains that take turns, and in each its clusters, within quotas.

Who is next depends on what was served so far and on nothing else, so a choice that is made in rounds is the one
made at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError, nearest
from bridge_distill.selection.strata import Cells


def read_quota(amount: object) -> int | str:
    """A count, or a share such as ``10%`` in plain spelling; raises ``ValueError`` for anything else."""
    text = str(amount).strip()
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1
    if isinstance(amount, bool) or not 0 <= number < math.inf or (share and number > 100):
        raise ValueError("must be a count such as 200, or a share such as 10%")
    if not share and number != int(number):
        raise ValueError("must be a whole count, or a share such as 10%")
    return text if share else int(number)


class Quotas:
    """The most questions of a domain: a count, or a share of what is chosen, rounded up, at every beginning of it."""

    def __init__(self, quotas: Mapping[str, int | str], names: Sequence[str], place: str) -> None:
        """``names`` are the domains; raises ``UserError`` for a quota of another."""
        self.most, self.share = np.full(len(names), np.inf), np.full(len(names), np.inf)
        for name, amount in quotas.items():
            if name not in names:
                problem = f"no question that is left is of domain {name!r}"
                raise UserError(f"{place}.{name}", problem, nearest(name, names))
            if isinstance(amount, str):
                self.share[names.index(name)] = float(amount.removesuffix("%")) / 100
            else:
                self.most[names.index(name)] = amount

    def open(self, served: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which domains may give one more where ``served`` (domains,) were chosen of each."""
        # A share in hundredths is no binary fraction: what is a whole number but for rounding stays one.
        allowed = np.ceil(np.where(self.share < np.inf, self.share * (served.sum() + 1) - 1e-9, np.inf))
        within: NDArray[np.bool_] = served < np.minimum(self.most, allowed)
        return within

    def kept(self, order: Sequence[int]) -> int:
        """How many of a choice, given as the domain of each in order, stand before the first that exceeds a quota."""
        served = np.zeros(len(self.most), dtype=np.int64)
        for place, domain in enumerate(order):
            if not self.open(served)[domain]:
                return place
            served[domain] += 1
        return len(order)


class Shelf:
    """Rows of equal standing, in each cell in the order in which they are to be served."""

    def __init__(self, rows: NDArray[np.int64], cells: Cells) -> None:
        cell = cells.of[rows]
        held = np.bincount(cell, minlength=len(cells.domain))
        self.rows = rows[np.argsort(cell, kind="stable")]
        self.end = np.cumsum(held)
        self.at = self.end - held
        self.left = np.bincount(cells.domain, held, len(cells.names)).astype(np.int64)


class Turns:
    """The domain served least for its weight comes next, in it the cluster served least; of equals one drawn first.

    ``weights`` (domains,) are at least 0, ``taken`` rows count as served. Cost: domains + clusters a turn.
    """

    def __init__(
        self, cells: Cells, weights: NDArray[np.float64], taken: NDArray[np.int64], draw: np.random.Generator
    ) -> None:
        self.cells, self.weights = cells, np.maximum(weights, 1e-9)
        self.in_cell = np.bincount(cells.of[taken], minlength=len(cells.domain))
        self.served = np.bincount(cells.domain[cells.of[taken]], minlength=len(cells.names))
        self.domains = draw.permutation(len(cells.names))
        shuffled = draw.permutation(len(cells.domain))
        shuffled = shuffled[np.argsort(cells.domain[shuffled], kind="stable")]
        self.inside = np.split(shuffled, np.cumsum(np.bincount(cells.domain, minlength=len(cells.names)))[:-1])

    def next(self, shelf: Shelf, allowed: NDArray[np.bool_]) -> int | None:
        """Take a row off the shelf, of one of the ``allowed`` domains; None where it holds none."""
        ready = allowed & (shelf.left > 0)
        if not ready.any():
            return None
        wait = np.where(ready, (self.served + 0.5) / self.weights, np.inf)
        domain = int(self.domains[np.argmin(wait[self.domains])])
        inside = self.inside[domain]
        inside = inside[shelf.at[inside] < shelf.end[inside]]
        cell = int(inside[np.argmin(self.in_cell[inside])])
        row = int(shelf.rows[shelf.at[cell]])
        shelf.at[cell] += 1
        shelf.left[domain] -= 1
        self.in_cell[cell] += 1
        self.served[domain] += 1
        return row
