"""Rows as the tensors of a step: padded ids, and flat lists of the tokens that are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.train.examples import Row
from bridge_distill.models.train.objective import Objective


@dataclass(frozen=True)
class Item:
    """A row in its step, and ``scale``: by which the sum of weighted losses is divided."""

    row: Row
    scale: float


class Steps:
    """A data set of ``order`` rows, ``batch`` of them a step; each step's loss is the mean over all of its tokens.

    The weights of a step are summed here, so that processes that share a step agree on its mean without asking.
    """

    def __init__(self, rows: Sequence[Row], order: Sequence[int], batch: int) -> None:
        self._rows, self._order, self._batch = rows, order, batch
        weights = np.array([row.weights.sum(dtype=np.float64) for row in rows])
        self._scales: NDArray[np.float64] = weights[np.asarray(order)].reshape(-1, batch).sum(axis=1)

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Item:
        return Item(self._rows[self._order[place]], max(float(self._scales[place // self._batch]), 1e-9))


class HeldOut:
    """A data set of rows that are only read, filled up to whole batches with rows of which nothing counts.

    The mean of the batches' losses is the mean over the tokens of all rows.
    """

    def __init__(self, rows: Sequence[Row], batch: int) -> None:
        filler = Row(rows[0].number, rows[0].start, rows[0].ids, np.zeros_like(rows[0].weights))
        self._rows = [*rows, *[filler] * (-len(rows) % batch)]
        total = float(sum(row.weights.sum(dtype=np.float64) for row in rows))
        self._scale = max(total * batch / len(self._rows), 1e-9)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Item:
        return Item(self._rows[place], self._scale)


@dataclass(frozen=True)
class Collator:
    """Pads rows on the right, where causal attention lets no real token see the padding, so that no mask is needed."""

    padding: int
    objective: Objective

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        """``input_ids`` (b, t) of ``examples`` (b,); of ``n`` learnt tokens ``targets``, ``weights``, ``places`` (n,).

        A place is that of the token before it in the flattened ids, whose logits predict it.
        """
        import torch

        rows = [item.row for item in items]
        width = max(len(row.ids) for row in rows)
        ids = np.full((len(rows), width), self.padding)
        for line, row in enumerate(rows):
            ids[line, : len(row.ids)] = row.ids
        learnt = [np.flatnonzero(row.weights) for row in rows]
        flat: dict[str, list[NDArray[Any]]] = {
            "targets": [row.ids[at] for row, at in zip(rows, learnt, strict=True)],
            "weights": [row.weights[at] for row, at in zip(rows, learnt, strict=True)],
            "places": [at + line * width - 1 for line, at in enumerate(learnt)],
        }
        columns = [self._columns(row, at) for row, at in zip(rows, learnt, strict=True)]
        return {
            "input_ids": torch.from_numpy(ids),
            **{name: torch.from_numpy(np.concatenate(parts)) for name, parts in flat.items()},
            "scale": torch.tensor(items[0].scale),
            "examples": torch.tensor([row.number for row in rows]),
            "columns": {name: torch.from_numpy(np.concatenate([c[name] for c in columns])) for name in columns[0]},
        }

    def _columns(self, row: Row, learnt: NDArray[np.intp]) -> dict[str, NDArray[np.generic]]:
        found = self.objective.columns(row.number)
        return {name: values[learnt - row.start] for name, values in found.items()}
