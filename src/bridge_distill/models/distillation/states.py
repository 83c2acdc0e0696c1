"""Hidden states of padded texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def padded(rows: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Token ids and attention mask of shape (rows, longest), padded on the right."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    return {"input_ids": ids, "attention_mask": mask}


def states(network: Any, batch: dict[str, Any]) -> Any:
    """Last hidden states (rows, width, hidden) of ``padded`` texts."""
    return network.get_decoder()(**batch, use_cache=False).last_hidden_state


def before(found: Any, row: int, prompt: int, tokens: int) -> Any:
    """The states (``tokens``, hidden) of one text that its tokens behind the ``prompt`` are read after."""
    return found[row, prompt - 1 : prompt - 1 + tokens]
