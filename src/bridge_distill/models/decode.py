"""One batch of texts, token by token; rows that have ended leave it, so that the others do not wait for them."""

from __future__ import annotations

import inspect
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from bridge_distill.models.cache import growing, picked, plain
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model

# A batch is made smaller once this share of its rows has ended: copying what is left costs about one step.
_ENDED = 0.25


@dataclass(frozen=True)
class Written:
    """How many tokens each row drew, its end token counted; those tokens, (rows, steps), and of each its
    log-probability and the entropy (nats; None where not asked for) of the distribution before its draw.

    What stands after a row's last token means nothing.
    """

    drawn: Any
    tokens: Any
    log_probabilities: Any
    entropies: Any


def decode(model: Model, ids: Any, mask: Any, cache: Any, draws: Any, decoding: Decoding) -> Written:
    """Go on after left-padded ``ids`` (rows, width); ``cache`` knows all but their last token, or is None.

    ``draws`` (rows, limit) are numbers in [0, 1), of which each row uses one a token, and none where the
    temperature is 0: what a row says does not depend on the rows beside it, but for rounding.
    """
    import torch

    rows, limit = draws.shape
    takes = inspect.signature(model.network.forward).parameters
    found = _nothing(rows, limit, decoding.entropies)
    ends = torch.tensor(end_tokens(model), device=ids.device)
    here = torch.arange(rows)  # the row that each row of the batch is
    unseen = ids if cache is None else ids[:, -1:]
    running = torch.ones(rows, dtype=torch.bool, device=ids.device)
    with torch.inference_mode():
        for step in range(limit):
            logits, cache = _next(model, takes, unseen, mask, cache)
            cache = cache if step else growing(cache)
            drawn = _draw(logits, decoding.temperature, draws[here, step])
            _note(found, here, step, logits, drawn)
            found.drawn[here[running.cpu()]] = step + 1
            running &= ~torch.isin(drawn, ends)
            if decoding.stop:
                running &= ~_stopped(model.tokenizer, found.tokens[here, : step + 1], decoding.stop).to(running.device)
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


def _nothing(rows: int, limit: int, entropies: bool) -> Written:
    import torch

    drawn, tokens = torch.zeros(rows, dtype=torch.long), torch.zeros(rows, limit, dtype=torch.long)
    return Written(drawn, tokens, torch.zeros(rows, limit), torch.zeros(rows, limit) if entropies else None)


def _note(found: Written, here: Any, step: int, logits: Any, drawn: Any) -> None:
    """Put down a step of the rows that are ``here``."""
    totals = logits.logsumexp(-1, keepdim=True)
    found.tokens[here, step] = drawn.cpu()
    found.log_probabilities[here, step] = (logits.gather(1, drawn[:, None]) - totals).squeeze(1).cpu()
    if found.entropies is not None:
        logs = logits - totals
        found.entropies[here, step] = -(logs.exp() * logs).sum(-1).cpu()


def _stopped(tokenizer: Any, tokens: Any, stop: Sequence[str]) -> Any:
    """Whether a stop string ends in the last of each row's tokens, (rows,)."""
    import torch

    # A token is a byte at least, so that one more than a string has bytes always hold it.
    last = tokens[:, -1 - max(len(one.encode()) for one in stop) :].tolist()
    texts = (tokenizer.decode(row, skip_special_tokens=True) for row in last)
    return torch.tensor([any(one in text for one in stop) for text in texts])


def _next(model: Model, takes: Container[str], ids: Any, mask: Any, cache: Any) -> tuple[Any, Any]:
    """Logits (rows, vocabulary) of the token after the last of ``ids``, the last columns of ``mask``; and the cache."""
    given: dict[str, Any] = {"past_key_values": cache} if cache is not None else {}
    if "position_ids" in takes:
        given["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    if "logits_to_keep" in takes:
        given["logits_to_keep"] = 1
    passed = model.network(input_ids=ids, attention_mask=mask, use_cache=True, **given)
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
    mask = mask[running]
    first = int(mask.any(0).nonzero()[0])
    return here[running.cpu()], unseen[running], mask[:, first:], picked(cache, running, first)
