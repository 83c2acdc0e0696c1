"""A model2vec model (Tulkens and van Dongen 2024): ``model2vec:owner/name``.

The mean of one fixed vector a token, distilled from a sentence-transformers model: thousands of
questions a second on a CPU. Cost: next to none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill import prompts
from bridge_distill.errors import UserError
from bridge_distill.selection.measure import Embedder, Readable, embedders


@embedders.register("model2vec")
def model2vec(argument: str) -> Embedder:
    """The model of that hub id or folder; raises ``UserError`` where it, or the library, is missing."""
    try:
        from model2vec import StaticModel
    except ImportError:
        cure = "run: pip install 'bridge-distill[model2vec]'"
        raise UserError("score.embedder", "model2vec is not installed", cure) from None
    try:
        model = StaticModel.from_pretrained(argument)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        problem = f"cannot load {argument!r} ({first})"
        raise UserError("score.embedder", problem, "give a hub id or a folder of that library") from error

    def embed(batch: Readable) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.encode([prompts.body(question) for question in batch.questions])
        return found.astype(np.float32)

    return embed
