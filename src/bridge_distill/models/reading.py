"""Prompts that a model reads once: what it thinks of them, and its keys and values for all that follows."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.cache import plain
from bridge_distill.models.load import Model

_LOGIT_ROWS = 512


@dataclass(frozen=True)
class Reading:
    """Prompts, each followed by the same ``tail`` tokens, in one forward pass; tensors stay on the model's device.

    ``ids`` and ``mask`` have shape (prompts, width) and are padded on the left, ``states``, the last
    hidden states, (prompts, width, hidden). ``cache`` holds the keys and values of every token, or is
    None where the model keeps others than plain attention's, which cannot be cut.
    """

    model: Model
    ids: Any
    mask: Any
    states: Any
    cache: Any
    tail: int

    def pooled(self, weighted: bool = False) -> NDArray[np.float32]:
        """Hidden states (prompts, hidden) averaged over each prompt's own tokens, the tail left out.

        ``weighted``: the weight of a token grows linearly with its position, as in RDS+ (Ivison et al.
        2025, arXiv 2503.01807), because a later state of a causal model has seen more of the prompt.
        """
        weights = self.mask.clone()
        weights[:, self.mask.shape[1] - self.tail :] = 0
        if weighted:
            weights = weights * weights.cumsum(-1)
        pooled = (self.states.float() * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        found: NDArray[np.float32] = pooled.cpu().numpy()
        return found

    def next_logits(self) -> Any:
        """Logits (prompts, vocabulary) of the token after the tail."""
        import torch

        with torch.inference_mode():
            return logits(self.model.network, self.states[:, -1]).float()

    def cache_of(self, rows: Sequence[int], samples: int, tokens: int) -> Any:
        """A copy of the keys and values of the first ``tokens`` columns of some rows, each row ``samples`` times.

        None where there is none; then the prompts have to be read again.
        """
        if self.cache is None:
            return None
        import torch
        from transformers import DynamicCache

        chosen = torch.tensor(list(rows), device=self.ids.device).repeat_interleave(samples)
        kept = [(layer.keys[chosen, :, :tokens], layer.values[chosen, :, :tokens]) for layer in self.cache.layers]
        return DynamicCache(kept)

    def loss(self, rows: Sequence[int], continuations: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Mean negative log-probability in nats of the tokens that continue each of some rows, shape (rows,)."""
        import torch

        width, longest = self.ids.shape[1], max(map(len, continuations))
        padded = [list(tokens) + [-1] * (longest - len(tokens)) for tokens in continuations]
        told = torch.tensor(padded, device=self.ids.device)
        ids = torch.cat([self.ids[list(rows)], told[:, :-1].clamp(min=0)], 1)
        mask = torch.cat([self.mask[list(rows)], (told[:, :-1] >= 0).long()], 1)
        cache = self.cache_of(rows, 1, width - 1)
        seen = 0 if cache is None else width - 1
        states = _forward(self.model, ids[:, seen:], mask, cache).last_hidden_state[:, -longest:]
        wanted = told >= 0
        logs = _log_probabilities(self.model, states[wanted], told[wanted])
        row = wanted.nonzero()[:, 0]
        sums = torch.zeros(len(padded), dtype=logs.dtype, device=logs.device).index_add_(0, row, logs)
        found: NDArray[np.float64] = (-sums / wanted.sum(1)).double().cpu().numpy()
        return found


def read(model: Model, prompts: Sequence[Sequence[int]], tail: Sequence[int] = ()) -> Reading:
    """Run each prompt (token ids), followed by ``tail``, once."""
    ids, mask = left_padded(
        [[*prompt, *tail] for prompt in prompts], model.tokenizer.pad_token_id, model.network.device
    )
    passed = _forward(model, ids, mask)
    return Reading(model, ids, mask, passed.last_hidden_state, plain(passed.past_key_values), len(tail))


def logits(network: Any, states: Any) -> Any:
    """Logits (positions, vocabulary) after hidden states (positions, hidden), as the model itself would give them."""
    made = network.get_output_embeddings()(states)
    cap = getattr(network.config, "final_logit_softcapping", None)
    return made if cap is None else (made / cap).tanh() * cap


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask of shape (rows, longest), padded on the left."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def _forward(model: Model, ids: Any, mask: Any, cache: Any = None) -> Any:
    """The decoder's pass over ``ids``, the last columns of ``mask``, after what ``cache`` holds."""
    import torch

    body = model.network.get_decoder()
    given: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
    if "position_ids" in inspect.signature(body.forward).parameters:
        given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    with torch.inference_mode():
        return body(input_ids=ids, attention_mask=mask, use_cache=True, **given)


def _log_probabilities(model: Model, states: Any, tokens: Any) -> Any:
    """Log-probability of each token after its state, some rows of the vocabulary's width at a time."""
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(tokens), _LOGIT_ROWS):
            logs = logits(model.network, states[start : start + _LOGIT_ROWS]).float().log_softmax(-1)
            parts.append(logs.gather(1, tokens[start : start + _LOGIT_ROWS, None]).squeeze(1))
    return torch.cat(parts)
