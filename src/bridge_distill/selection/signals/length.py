"""Length: the tokens of a question's prompt, which everything that is paid or computed grows with.

Cost: none. Source: choosing by length is a stable baseline on large pools (Xia et al. 2024, arXiv
2410.09335).
"""

from __future__ import annotations

import numpy as np

from bridge_distill.selection.measure import Batch, Column, Signal, signals


def measure(batch: Batch) -> tuple[Column]:
    """Tokens as the assistant counts them."""
    return (np.array([float(len(head)) for head in batch.heads]),)


signals.register("length")(Signal(("prompt_tokens",), measure))
