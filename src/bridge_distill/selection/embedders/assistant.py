"""The assistant's own last hidden states, averaged over the prompt: what it was going to read anyway.

``assistant`` is the plain mean, ``assistant:weighted`` the mean weighted by position, which RDS+ uses
(Ivison et al. 2025, arXiv 2503.01807). Cost: none beside the one reading.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError
from bridge_distill.selection.measure import Embedder, Readable, embedders


@embedders.register("assistant")
def assistant(argument: str) -> Embedder:
    """The mean, or with ``weighted`` the one weighted by position."""
    if argument not in ("", "weighted"):
        raise UserError("score.embedder", f"unknown pooling {argument!r}", "write assistant or assistant:weighted")

    def embed(batch: Readable) -> NDArray[np.float32]:
        return batch.reading.pooled(weighted=argument == "weighted")

    return embed
