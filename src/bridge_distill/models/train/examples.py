"""What a model should write, as token ids and what each counts in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.load import Model


@dataclass(frozen=True, slots=True)
class Example:
    """What a model should write (``completion``) when it is asked (``prompt``); None asks nothing: plain text.

    ``parts`` cut the completion into texts that each have a weight in the loss, the end counting to the last one;
    without them every token has weight 1. A part of weight 0 is read and not learnt.
    """

    prompt: str | None
    completion: str
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """An example as its model reads it: ``ids`` and ``weights`` (tokens,), 0 where a token is not learnt.

    ``number`` is that of the example in the list that was given, ``start`` where its completion begins.
    """

    number: int
    start: int
    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


def encode(model: Model, examples: Sequence[Example], max_tokens: int) -> list[Row]:
    """The rows of all examples of at most ``max_tokens`` tokens; raises ``ValueError`` where there is none."""
    rows = (_encode(model, number, example) for number, example in enumerate(examples))
    found = [row for row in rows if len(row.ids) <= max_tokens]
    if not found:
        raise ValueError(f"none of {len(examples)} examples fits into {max_tokens} tokens")
    return found


def asked_ids(model: Model, prompt: str | None) -> list[int]:
    """Token ids up to where a completion begins; without a prompt those that stand before any text."""
    return list(model.tokenizer("")["input_ids"]) if prompt is None else model.prompt_ids(prompt)


def _encode(model: Model, number: int, example: Example) -> Row:
    prompt = asked_ids(model, example.prompt)
    weighted = any(weight != 1 for _, weight in example.parts)
    found = model.tokenizer(example.completion, add_special_tokens=False, return_offsets_mapping=weighted)
    completion = [*found["input_ids"], model.tokenizer.eos_token_id]
    weights = _token_weights(example, found["offset_mapping"]) if weighted else [1.0] * len(completion)
    all_weights = np.array([0.0] * len(prompt) + weights, dtype=np.float32)
    all_weights[0] = 0  # nothing stands before the first token that could predict it
    return Row(number, len(prompt), np.array([*prompt, *completion]), all_weights)


def _token_weights(example: Example, offsets: Sequence[tuple[int, int]]) -> list[float]:
    """The weight of the part in which each token starts, and that of the last part for the end token."""
    ends = np.cumsum([len(part) for part, _ in example.parts])
    if "".join(part for part, _ in example.parts) != example.completion:
        raise ValueError("the parts of an example are not its completion")
    places = np.searchsorted(ends, [start for start, _ in offsets], side="right")
    return [example.parts[min(place, len(ends) - 1)][1] for place in [*places.tolist(), len(ends)]]
