"""Batched generation behind one contract: prompts in, texts with token log-probabilities out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.models.decode import Written, decode, end_tokens
from bridge_distill.models.load import Model
from bridge_distill.models.reading import Reading, left_padded, read

TOP_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Generation:
    """One written text.

    ``finished`` is False where the token limit cut it off; ``log_probability`` is the mean over
    its tokens and ``entropy`` the mean entropy of the distributions they were drawn from (nats),
    ``top_entropy`` that of the fifth of the tokens where it is highest.
    """

    text: str
    tokens: int
    finished: bool
    log_probability: float
    entropy: float
    top_entropy: float


@dataclass(frozen=True)
class Decoding:
    """How to write: greedy at temperature 0; ``prefix`` is text that every reply begins with."""

    max_new_tokens: int
    temperature: float = 0.0
    samples: int = 1
    prefix: str = ""


def generate(
    model: Model,
    prompts: Sequence[str],
    decoding: Decoding,
    batch_tokens: int,
    seed: int,
    tick: Tick = unseen,
    first: int = 0,
) -> list[list[Generation]]:
    """Write ``decoding.samples`` texts for each prompt; the result is in the order of the prompts.

    Prompts are sorted by length and batched so that a batch holds at most about ``batch_tokens``
    tokens, padding included. What is sampled depends on ``seed`` and a prompt's position alone, which is
    ``first`` for the first prompt, so that parts of a list are written as the whole would be.
    """
    ids = [model.prompt_ids(prompt) + _prefix_ids(model, decoding.prefix) for prompt in prompts]
    results: list[list[Generation]] = [[] for _ in prompts]
    for batch in batches([len(i) + decoding.max_new_tokens for i in ids], batch_tokens // decoding.samples):
        draws = _draws(seed, [first + index for index in batch], decoding)
        for index, written in zip(batch, _write_batch(model, [ids[i] for i in batch], decoding, draws), strict=True):
            results[index] = written
        tick(len(batch))
    return results


def batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group indices by length, longest first, each group at most ``batch_tokens`` when padded."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= batch_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def write(reading: Reading, rows: Sequence[int], decoding: Decoding, tail: bool = True) -> list[list[Generation]]:
    """Go on writing after some rows of what a model has read, with or without its tail.

    The keys and values of the prompt are shared: no sample reads it again. Draws come from torch's own generator.
    """
    import torch

    draws = torch.rand(len(rows) * decoding.samples, decoding.max_new_tokens, dtype=torch.float64)
    return _continue(reading, rows, decoding, tail, draws)


def _draws(seed: int, positions: Sequence[int], decoding: Decoding) -> Any:
    """Numbers in [0, 1) of shape (prompts x samples, tokens), the same for a prompt in any batch."""
    import torch

    shape = (decoding.samples, decoding.max_new_tokens)
    made = [np.random.default_rng([seed, position]).random(shape) for position in positions]
    return torch.from_numpy(np.concatenate(made))


def _prefix_ids(model: Model, prefix: str) -> list[int]:
    return list(model.tokenizer(prefix, add_special_tokens=False)["input_ids"]) if prefix else []


def _write_batch(model: Model, rows: list[list[int]], decoding: Decoding, draws: Any) -> list[list[Generation]]:
    if decoding.samples > 1:
        return _continue(read(model, rows), range(len(rows)), decoding, True, draws)
    ids, mask = left_padded(rows, model.tokenizer.pad_token_id, model.network.device)
    return [[written] for written in _write(model, ids, mask, decoding, None, draws)]


def _continue(
    reading: Reading, rows: Sequence[int], decoding: Decoding, tail: bool, draws: Any
) -> list[list[Generation]]:
    tokens = reading.ids.shape[1] - (0 if tail else reading.tail)
    cache = reading.cache_of(rows, decoding.samples, tokens - 1)
    chosen = list(rows)
    written = _write(reading.model, reading.ids[chosen, :tokens], reading.mask[chosen, :tokens], decoding, cache, draws)
    return [written[start : start + decoding.samples] for start in range(0, len(written), decoding.samples)]


def _write(model: Model, ids: Any, mask: Any, decoding: Decoding, cache: Any, draws: Any) -> list[Generation]:
    """The samples of the first row, then those of the next; ``cache`` knows all but the last token of each sample."""
    ids, mask = (part.repeat_interleave(decoding.samples, 0) for part in (ids, mask))
    return _read(model, decode(model, ids, mask, cache, draws, decoding.temperature))


def _read(model: Model, written: Written) -> list[Generation]:
    ends, found = set(end_tokens(model)), []
    parts = (written.tokens.tolist(), written.log_probabilities.tolist(), written.entropies.tolist())
    for row, logs, ents in zip(*parts, strict=True):
        stop = next((i for i, token in enumerate(row) if token in ends), None)
        length = len(row) if stop is None else stop
        counted = length if stop is None else stop + 1
        text = model.tokenizer.decode(row[:length], skip_special_tokens=True).strip()
        log_probability, entropy = sum(logs[:counted]) / counted, sum(ents[:counted]) / counted
        found.append(Generation(text, length, stop is not None, log_probability, entropy, _top(ents[:counted])))
    return found


def _top(entropies: list[float]) -> float:
    kept = sorted(entropies, reverse=True)[: math.ceil(TOP_SHARE * len(entropies))]
    return sum(kept) / len(kept)
