"""Embeddings as directions: centred, of length 1, and read block by block from wherever they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.parallel import blocks

Floats = NDArray[np.floating[Any]]
Rows = slice | NDArray[np.integer[Any]]
_BLOCK = 8192


class Directions:
    """The rows of ``embeddings`` (n, width), minus their mean, scaled to length 1, as float32 where taken.

    Mean hidden states share one large common direction, which would make all cosines alike: hence the
    mean. A row that equals the mean becomes zeros, like nothing but itself. ``embeddings`` may be a memory
    map: only the rows that are taken are read. A ``centre`` of another pool puts both in one space.
    """

    def __init__(self, embeddings: Floats, centre: NDArray[np.float64] | None = None) -> None:
        self.embeddings = embeddings
        self.centre = mean_row(embeddings) if centre is None else centre
        self._shift = self.centre.astype(np.float32)

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return int(self.embeddings.shape[1])

    def take(self, rows: Rows) -> NDArray[np.float32]:
        """Some rows, shape (rows, width)."""
        part = self.embeddings[rows].astype(np.float32)
        part -= self._shift
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part))
        # What is left of a row at the mean is rounding, and must not become a direction.
        tiny = lengths <= 1e-6 * float(np.linalg.norm(self._shift)) + 1e-30
        part /= np.where(tiny, np.inf, lengths).astype(np.float32)[:, None]
        return part

    def part(self, rows: NDArray[np.int64]) -> Directions:
        """Some rows alone, in the same space."""
        return Directions(self.embeddings[rows], self.centre)

    def all(self) -> NDArray[np.float32]:
        """Every row, shape (n, width): for methods that hold the pool in memory."""
        out = np.empty((len(self), self.width), dtype=np.float32)
        for rows in blocks(len(self), _BLOCK):
            out[rows] = self.take(rows)
        return out


def gathered(matrix: Floats, rows: NDArray[np.int64]) -> Floats:
    """Some rows in that order, read in their own order, block by block: a disk reads that hundreds of times as fast."""
    found: Floats = np.empty((len(rows), matrix.shape[1]), dtype=matrix.dtype)
    ascending = np.argsort(rows)
    for part in blocks(len(rows), _BLOCK):
        found[ascending[part]] = matrix[rows[ascending[part]]]
    return found


def mean_row(embeddings: Floats) -> NDArray[np.float64]:
    """The mean row, summed in float64, shape (width,)."""
    total = np.zeros(embeddings.shape[1])
    for rows in blocks(len(embeddings), _BLOCK):
        total += embeddings[rows].sum(axis=0, dtype=np.float64)
    return total / max(1, len(embeddings))


def bad_row(embeddings: Floats) -> int | None:
    """The first row that holds NaN or infinity, if any."""
    for rows in blocks(len(embeddings), _BLOCK):
        sound = np.logical_and.reduce(np.isfinite(embeddings[rows]), axis=1)
        if not sound.all():
            return int(rows.start) + int(np.argmin(sound))
    return None
