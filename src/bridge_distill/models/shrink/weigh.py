"""What a model weighs: parameters, megabytes, and how long it takes to read a prompt and to write a token."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bridge_distill.models.load import Model

PROMPT = 128
WRITTEN = 16
_REPEATS = 3


def weigh(model: Model) -> dict[str, float]:
    """``parameters``, ``megabytes`` (10^6 bytes of weights), and medians of milliseconds on this machine.

    ``prefill_ms`` is one prompt of ``PROMPT`` tokens, ``token_ms`` one further token after it, both alone in a batch.
    """
    network = model.network
    ids = _prompt(network)
    _written(network, ids)
    timed = [_written(network, ids) for _ in range(_REPEATS)]
    return {
        "parameters": model.parameters,
        "megabytes": round(sum(p.numel() * p.element_size() for p in network.parameters()) / 1e6, 2),
        "prefill_ms": round(statistics.median(prefill for prefill, _ in timed), 2),
        "token_ms": round(statistics.median(token for _, token in timed), 2),
    }


def _prompt(network: Any) -> Any:
    import torch

    room = min(PROMPT, network.config.max_position_embeddings - WRITTEN)
    return (torch.arange(room, device=network.device) % network.config.vocab_size)[None]


def _written(network: Any, ids: Any) -> tuple[float, float]:
    """Milliseconds of a prompt, and of a token after it."""
    import torch

    with torch.inference_mode():
        started = time.perf_counter()
        out = network(input_ids=ids, use_cache=True, logits_to_keep=1)
        chosen = out.logits.argmax(-1).cpu()
        read = time.perf_counter()
        for _ in range(WRITTEN):
            step = chosen.to(network.device)
            out = network(input_ids=step, past_key_values=out.past_key_values, use_cache=True)
            chosen = out.logits.argmax(-1).cpu()
    return 1e3 * (read - started), 1e3 * (time.perf_counter() - read) / WRITTEN
