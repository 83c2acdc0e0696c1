"""What one forward pass of a local model says about prompts, without writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.generate import batches, left_padded
from bridge_distill.models.load import Model


@dataclass(frozen=True)
class Reading:
    """``embeddings`` (prompts, width): last hidden states, averaged over each prompt's tokens.

    ``option_entropy`` (prompts,): entropy in nats of the next-token distribution restricted to the
    first tokens of the options; NaN where a prompt has fewer than two options that differ there.
    ``tokens`` (prompts,): prompt lengths.
    """

    embeddings: NDArray[np.float32]
    option_entropy: NDArray[np.float64]
    tokens: NDArray[np.int64]


def read_prompts(
    model: Model, prompts: Sequence[str], prefix: str, options: Sequence[Sequence[str]], batch_tokens: int
) -> Reading:
    """Run each prompt, followed by ``prefix``, once; ``options[i]`` are the possible continuations of prompt i."""
    import torch

    tail = list(model.tokenizer(prefix, add_special_tokens=False)["input_ids"])
    heads = [model.prompt_ids(prompt) for prompt in prompts]
    width = int(model.network.config.hidden_size)
    embeddings = np.zeros((len(prompts), width), dtype=np.float32)
    entropy = np.full(len(prompts), np.nan)
    body, output = model.network.get_decoder(), model.network.get_output_embeddings()
    for batch in batches([len(head) + len(tail) for head in heads], batch_tokens):
        ids, mask = left_padded([heads[i] + tail for i in batch], model.tokenizer.pad_token_id, model.network.device)
        with torch.inference_mode():
            states = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            logits = output(states[:, -1]).float()
        weights = mask.clone()
        weights[:, mask.shape[1] - len(tail) :] = 0
        pooled = (states.float() * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        embeddings[batch] = pooled.cpu().numpy()
        for row, index in enumerate(batch):
            entropy[index] = _entropy_over(logits[row], _first_tokens(model, options[index]))
    return Reading(embeddings, entropy, np.array([len(head) for head in heads]))


def _first_tokens(model: Model, options: Sequence[str]) -> list[int]:
    firsts = [model.tokenizer(" " + option, add_special_tokens=False)["input_ids"][0] for option in options]
    return sorted(set(firsts))


def _entropy_over(logits: object, tokens: list[int]) -> float:
    import torch

    if len(tokens) < 2:
        return float("nan")
    assert isinstance(logits, torch.Tensor)
    logs = logits[tokens].log_softmax(-1)
    return float(-(logs.exp() * logs).sum())
