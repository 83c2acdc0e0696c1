"""The assistant's own last hidden states, averaged over the prompt: what it was going to read anyway.

Cost: none beside the one reading. Plain means of a language model's states share one large direction, so
selection centres them first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError
from bridge_distill.selection.measure import Embedder, Readable, embedders


@embedders.register("assistant")
def assistant(argument: str) -> Embedder:
    """The plain mean; raises ``UserError`` where a model is named, for the model is ``score.base``."""
    if argument:
        raise UserError("score.embedder", f"assistant takes no name (got {argument!r})", "name it in score.base")

    def embed(batch: Readable) -> NDArray[np.float32]:
        return batch.reading.pooled()

    return embed
