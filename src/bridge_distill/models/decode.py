"""One batch of texts, token by token; rows that have ended leave it, so that the others do not wait for them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from bridge_distill.models.load import Model
from bridge_distill.models.reading import plain

# A batch is made smaller once this share of its rows has ended: copying what is left costs about one step.
_ENDED = 0.25


@dataclass(frozen=True)
class Written:
    """Tokens, log-probabilities of each and entropies (nats) of the distributions before each draw, (rows, steps).

    What stands after a row's end token means nothing.
    """

    tokens: Any
    log_probabilities: Any
    entropies: Any


def decode(model: Model, ids: Any, mask: Any, cache: Any, draws: Any, temperature: float) -> Written:
    """Go on after left-padded ``ids`` (rows, width); ``cache`` knows all but their last token, or is None.

    ``draws`` (rows, limit) are numbers in [0, 1), of which each row uses one a token, and none where
    ``temperature`` is 0: what a row says does not depend on the rows beside it, but for rounding.
    """
    import torch

    rows, limit = draws.shape
    found = Written(torch.zeros(rows, limit, dtype=torch.long), torch.zeros(rows, limit), torch.zeros(rows, limit))
    ends = torch.tensor(end_tokens(model), device=ids.device)
    here = torch.arange(rows)  # the row that each row of the batch is
    unseen = ids if cache is None else ids[:, -1:]
    running = torch.ones(rows, dtype=torch.bool, device=ids.device)
    with torch.inference_mode():
        for step in range(limit):
            logits, cache = _next(model, unseen, mask, cache)
            logs = logits.log_softmax(-1)
            drawn = _draw(logits, temperature, draws[here, step])
            found.tokens[here, step] = drawn.cpu()
            found.log_probabilities[here, step] = logs.gather(1, drawn[:, None]).squeeze(1).cpu()
            found.entropies[here, step] = -(logs.exp() * logs).sum(-1).cpu()
            running &= ~torch.isin(drawn, ends)
            left = int(running.sum())
            if not left:
                break
            unseen, mask = drawn[:, None], torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            if left <= (1 - _ENDED) * len(running) and plain(cache) is not None:
                here, unseen, mask, cache = _without_ended(running, here, unseen, mask, cache)
                running = running[running]
    return found


def end_tokens(model: Model) -> list[int]:
    """The tokens that end a text."""
    ends = model.network.generation_config.eos_token_id
    return list(ends) if isinstance(ends, list) else [ends]


def _next(model: Model, ids: Any, mask: Any, cache: Any) -> tuple[Any, Any]:
    """Logits (rows, vocabulary) of the token after the last of ``ids``, the last columns of ``mask``; and the cache."""
    network = model.network
    takes = inspect.signature(network.forward).parameters
    given: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
    if "position_ids" in takes:
        given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in takes:
        given["logits_to_keep"] = 1
    passed = network(input_ids=ids, attention_mask=mask, use_cache=True, **given)
    return passed.logits[:, -1].float(), passed.past_key_values


def _draw(logits: Any, temperature: float, draws: Any) -> Any:
    """A token for each row: the likeliest at temperature 0, else where the cumulated share reaches the draw."""
    import torch

    if temperature == 0:
        return logits.argmax(-1)
    shares = (logits / temperature).softmax(-1).cumsum(-1)
    reached = draws.to(shares)[:, None] * shares[:, -1:]
    return torch.searchsorted(shares, reached).squeeze(1)


def _without_ended(running: Any, here: Any, unseen: Any, mask: Any, cache: Any) -> tuple[Any, Any, Any, Any]:
    """The rows that go on, without the columns in which all of them are padding."""
    from transformers import DynamicCache

    mask = mask[running]
    first = int(mask.any(0).nonzero()[0])
    kept = [(layer.keys[running, :, first:], layer.values[running, :, first:]) for layer in cache.layers]
    return here[running.cpu()], unseen[running], mask[:, first:], DynamicCache(kept)
