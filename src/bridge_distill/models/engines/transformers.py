"""The default engine: transformers, in this process, with prompts sorted by length, several batches at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_distill.config import Compute
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.models.batches import batches
from bridge_distill.models.decode import decode
from bridge_distill.models.generator import Asked, Decoding, Engine, Generation, Generator, engines
from bridge_distill.models.lanes import in_lanes, lanes_of
from bridge_distill.models.load import Model, load, text_ids
from bridge_distill.models.reading import left_padded, read
from bridge_distill.models.writing import continued, draws_of, generations


class Transformers(Generator):
    """Writes with a loaded model; batches under way hold at most about ``batch_tokens`` tokens, padding included."""

    def __init__(self, model: Model, batch_tokens: int) -> None:
        self.model, self._batch_tokens = model, batch_tokens

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """Write the samples of each prompt; those of one prompt share the reading of it."""
        places = range(len(asked)) if positions is None else positions
        heads = [self.model.prompt_ids(one.prompt) for one in asked]
        begun = [text_ids(self.model.tokenizer, one.begun) for one in asked]
        results: list[list[Generation]] = [[] for _ in asked]
        lengths = [len(head) + len(start) + decoding.max_new_tokens for head, start in zip(heads, begun, strict=True)]
        longest = decoding.samples * max(lengths, default=0)
        lanes = lanes_of(self.model.network, self._batch_tokens, longest)
        parts = batches(lengths, self._batch_tokens // decoding.samples // lanes, lanes)

        def work(batch: Sequence[int]) -> list[list[Generation]]:
            draws = draws_of(seed, [places[index] for index in batch], decoding)
            return self._batch([heads[i] for i in batch], [begun[i] for i in batch], decoding, draws)

        for batch, made in zip(parts, in_lanes(self.model.network, work, parts, lanes), strict=True):
            for index, written in zip(batch, made, strict=True):
                results[index] = written
            tick(len(batch))
        return results

    def count(self, text: str) -> int:
        """The number of tokens of a text, special ones left out."""
        return len(text_ids(self.model.tokenizer, text))

    def _batch(
        self, heads: Sequence[list[int]], begun: Sequence[list[int]], decoding: Decoding, draws: Any
    ) -> list[list[Generation]]:
        rows = [head + start for head, start in zip(heads, begun, strict=True)]
        if decoding.samples > 1:
            return continued(read(self.model, rows), range(len(rows)), decoding, draws, begun)
        ids, mask = left_padded(rows, self.model.tokenizer.pad_token_id, self.model.network.device)
        written = decode(self.model, ids, mask, None, draws, decoding)
        return [[one] for one in generations(self.model, written, decoding.stop, begun)]


def _open(model: str, compute: Compute, place: str) -> Transformers:
    return Transformers(load(model, compute, place), compute.batch_tokens)


engines.register("transformers")(Engine(_open))
