"""Texts out of tokens, and writing after what a model has read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge_distill.models.decode import Written, decode, end_tokens
from bridge_distill.models.generator import Decoding, Generation
from bridge_distill.models.load import Model
from bridge_distill.models.reading import Reading

TOP_SHARE = 0.2


def draws_of(seed: int, positions: Sequence[int], decoding: Decoding) -> Any:
    """Numbers in [0, 1) of shape (positions x samples, tokens), the same for a position in any batch."""
    import torch

    shape = (decoding.samples, decoding.max_new_tokens)
    made = [np.random.default_rng([seed, position]).random(shape) for position in positions]
    return torch.from_numpy(np.concatenate(made))


def continued(
    reading: Reading,
    rows: Sequence[int],
    decoding: Decoding,
    draws: Any,
    begun: Sequence[Sequence[int]] | None = None,
    tail: bool = True,
) -> list[list[Generation]]:
    """Samples (rows, samples) after some rows of a reading, with or without its tail, by ``draws`` (``draws_of``).

    The keys and values of a prompt are shared: no sample reads it again. ``begun`` are each row's last tokens, with
    which its text began, where it did.
    """
    tokens, samples = reading.ids.shape[1] - (0 if tail else reading.tail), decoding.samples
    cache = reading.cache_of(rows, samples, tokens - 1)
    ids, mask = (part[list(rows), :tokens].repeat_interleave(samples, 0) for part in (reading.ids, reading.mask))
    starts = [start for start in begun or [()] * len(rows) for _ in range(samples)]
    written = decode(reading.model, ids, mask, cache, draws, decoding)
    made = generations(reading.model, written, decoding.stop, starts)
    return [made[start : start + samples] for start in range(0, len(made), samples)]


def generations(
    model: Model, written: Written, stop: Sequence[str], begun: Sequence[Sequence[int]]
) -> list[Generation]:
    """Read the tokens of each row as text that goes on after the ``begun`` tokens and ends before a ``stop``."""
    ends, found = set(end_tokens(model)), []
    counts, tokens, logs = written.drawn.tolist(), written.tokens.tolist(), written.log_probabilities.tolist()
    entropies = [None] * len(tokens) if written.entropies is None else written.entropies.tolist()
    for count, row, log, entropy, start in zip(counts, tokens, logs, entropies, begun, strict=True):
        ended = row[count - 1] in ends
        length = count - ended
        text, stopped = before(_text(model.tokenizer, start, row[:length]), stop)
        text = trimmed(text, bool(start))
        mean, top = _entropies(None if entropy is None else entropy[:count])
        found.append(Generation(text, length, ended or stopped, sum(log[:count]) / count, mean, top))
    return found


def before(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """What stands before the first stop string of a text, and whether there is one."""
    places = [place for place in (text.find(one) for one in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)


def trimmed(text: str, goes_on: bool) -> str:
    """The text without white space around it, but with that before it where it goes on after another."""
    return text.rstrip() if goes_on else text.strip()


def _text(tokenizer: Any, begun: Sequence[int], tokens: Sequence[int]) -> str:
    # Not every tokenizer decodes a continuation alone with the space that it begins with.
    whole = tokenizer.decode([*begun, *tokens], skip_special_tokens=True)
    return str(whole[len(tokenizer.decode(list(begun), skip_special_tokens=True)) :])


def _entropies(entropies: Sequence[float] | None) -> tuple[float, float]:
    """The mean of all and of the highest fifth."""
    if entropies is None:
        return math.nan, math.nan
    highest = sorted(entropies, reverse=True)[: math.ceil(TOP_SHARE * len(entropies))]
    return sum(entropies) / len(entropies), sum(highest) / len(highest)
