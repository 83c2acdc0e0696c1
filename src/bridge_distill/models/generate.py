"""Batched generation behind one contract: prompts in, texts with token log-probabilities out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge_distill.engine.progress import Tick, unseen
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
    model: Model, prompts: Sequence[str], decoding: Decoding, batch_tokens: int, seed: int, tick: Tick = unseen
) -> list[list[Generation]]:
    """Write ``decoding.samples`` texts for each prompt; the result is in the order of the prompts.

    Prompts are sorted by length and batched so that a batch holds at most about ``batch_tokens``
    tokens, padding included. Sampling is reproducible from ``seed`` for the same prompts.
    """
    from bridge_distill.models.runtime import set_seed

    set_seed(seed)
    ids = [model.prompt_ids(prompt) + _prefix_ids(model, decoding.prefix) for prompt in prompts]
    results: list[list[Generation]] = [[] for _ in prompts]
    for batch in batches([len(i) + decoding.max_new_tokens for i in ids], batch_tokens // decoding.samples):
        for index, written in zip(batch, _write_batch(model, [ids[i] for i in batch], decoding), strict=True):
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

    The keys and values of the prompt are shared: no sample reads it again.
    """
    tokens = reading.ids.shape[1] - (0 if tail else reading.tail)
    cache = reading.cache_of(rows, decoding.samples, tokens - 1)
    chosen = list(rows)
    written = _write(reading.model, reading.ids[chosen, :tokens], reading.mask[chosen, :tokens], decoding, cache)
    return [written[start : start + decoding.samples] for start in range(0, len(written), decoding.samples)]


def _prefix_ids(model: Model, prefix: str) -> list[int]:
    return list(model.tokenizer(prefix, add_special_tokens=False)["input_ids"]) if prefix else []


def _write_batch(model: Model, rows: list[list[int]], decoding: Decoding) -> list[list[Generation]]:
    if decoding.samples > 1:
        return write(read(model, rows), range(len(rows)), decoding)
    ids, mask = left_padded(rows, model.tokenizer.pad_token_id, model.network.device)
    return [[written] for written in _write(model, ids, mask, decoding, None)]


def _write(model: Model, ids: Any, mask: Any, decoding: Decoding, cache: Any) -> list[Generation]:
    """The samples of the first row, then those of the next; ``cache`` knows all but the last token of each sample."""
    import torch
    from transformers import LogitsProcessorList

    recorder, width = _Recorder(), ids.shape[1]
    options: dict[str, Any] = {"do_sample": False}
    if decoding.temperature > 0:
        options = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0, "top_p": 1.0}
    if cache is None:
        options["num_return_sequences"] = decoding.samples
    else:
        options["past_key_values"] = cache
        ids, mask = (part.repeat_interleave(decoding.samples, 0) for part in (ids, mask))
    with torch.inference_mode():
        sequences = model.network.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=decoding.max_new_tokens,
            logits_processor=LogitsProcessorList([recorder]),
            pad_token_id=model.tokenizer.pad_token_id,
            **options,
        )
    written = sequences[:, width:]
    return _read(model, written, *recorder.finish(written))


class _Recorder:
    """Notes each step's entropy and the log-probability of the token then drawn.

    A logits processor sees the distribution before the draw, and the token drawn at the next step,
    so nothing of size (steps, vocabulary) is kept.
    """

    def __init__(self) -> None:
        self.entropies: list[Any] = []
        self.chosen: list[Any] = []
        self.last: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if self.last is not None:
            self.chosen.append(self.last.gather(1, input_ids[:, -1:]).squeeze(1))
        self.last = scores.float().log_softmax(-1)
        self.entropies.append(-(self.last.exp() * self.last).sum(-1))
        return scores

    def finish(self, written: Any) -> tuple[Any, Any]:
        """Log-probabilities and entropies of shape (rows, steps)."""
        import torch

        self.chosen.append(self.last.gather(1, written[:, -1:]).squeeze(1))
        return torch.stack(self.chosen, 1), torch.stack(self.entropies, 1)


def _read(model: Model, written: Any, log_probabilities: Any, entropies: Any) -> list[Generation]:
    end = model.network.generation_config.eos_token_id
    ends = set(end) if isinstance(end, list) else {end}
    found = []
    for row, logs, ents in zip(written.tolist(), log_probabilities.tolist(), entropies.tolist(), strict=True):
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
