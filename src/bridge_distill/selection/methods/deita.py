"""Best score first, unless too similar to what is chosen already.

DEITA (Liu et al. 2023, arXiv 2312.15685) sorts by complexity x quality of question and response and takes
a question if its cosine to the nearest chosen one is below 0.9. There is no response before anything is paid, so
the score is a product of signals of the question. Cosines are of centred embeddings. Cost: questions looked at x
budget x width.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.parallel import blocks
from bridge_distill.selection.vectors import Directions

_BLOCK = 512


class DeitaOptions(Section):
    """``scores``: signals whose product sorts the pool; ``most_alike``: cosine from which a question is refused."""

    scores: Annotated[list[str], Field(min_length=1)] = ["difficulty"]
    most_alike: Annotated[float, Field(gt=-1, le=1)] = 0.9


@selectors.register("deita")
class Deita(Selector[DeitaOptions]):
    """``gain`` is the score. What was refused as too similar follows by score where the budget asks for more."""

    options = DeitaOptions
    needs = frozenset({"embeddings", "difficulty"})

    def choose(self, pool: Pool, count: int) -> list[Pick]:
        """Of equal scores the first id."""
        columns = [pool.signal(name, "select.options.scores") for name in self.settings.scores]
        score = np.prod(columns, axis=0)
        order = np.argsort(-score, kind="stable")
        order = order[~pool.is_taken[order]]
        passing, refused = pass_gate(pool.directions, order, count, self.settings.most_alike, pool.taken)
        passed = f"cosine to those before below {self.settings.most_alike}"
        close = f"too similar, but no question is left below {self.settings.most_alike}"
        return [
            Pick(row, float(score[row]), f"score {score[row]:.2f}; {why}")
            for rows, why in ((passing, passed), (refused, close))
            for row in rows
        ][:count]


def pass_gate(
    directions: Directions, order: NDArray[np.int64], count: int, most_alike: float, taken: NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Up to ``count`` rows of ``order`` less alike than ``most_alike`` to all before and all taken; and the refused."""
    chosen = np.empty((len(taken) + count, directions.width), dtype=np.float32)
    chosen[: len(taken)] = directions.take(taken)
    passing: list[int] = []
    refused: list[int] = []
    for part in blocks(len(order), _BLOCK):
        block = directions.take(order[part])
        free: NDArray[np.bool_] = ~np.any(block @ chosen[: len(taken) + len(passing)].T >= most_alike, axis=1)
        among = block @ block.T >= most_alike
        for place, row in enumerate(order[part]):
            if not free[place]:
                refused.append(int(row))
                continue
            free &= ~among[place]
            chosen[len(taken) + len(passing)] = block[place]
            passing.append(int(row))
            if len(passing) == count:
                return passing, refused
    return passing, refused
