"""A sentence-transformers model (Reimers and Gurevych 2019, arXiv 1908.10084): ``sentence-transformers:owner/name``.

Trained to place texts of like meaning together, which a language model's hidden states are not. Cost:
one forward pass of that model a question.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge_distill import prompts
from bridge_distill.errors import UserError
from bridge_distill.selection.measure import Embedder, Readable, embedders


@embedders.register("sentence-transformers")
def sentence_transformers(argument: str) -> Embedder:
    """The model of that hub id or folder; raises ``UserError`` where it, or the library, is missing."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        cure = "run: pip install 'bridge-distill[sentence-transformers]'"
        raise UserError("score.embedder", "sentence-transformers is not installed", cure) from None
    try:
        model = SentenceTransformer(argument, trust_remote_code=False)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        problem = f"cannot load {argument!r} ({first})"
        raise UserError("score.embedder", problem, "give a hub id or a folder of that library") from error

    def embed(batch: Readable) -> NDArray[np.float32]:
        texts = [prompts.body(question) for question in batch.questions]
        found: NDArray[np.float32] = model.encode(texts, show_progress_bar=False, convert_to_numpy=True)
        return found.astype(np.float32)

    return embed
