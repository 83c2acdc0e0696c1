"""A generator that writes by a script: the contract in full, with words for tokens and no model behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.models.generator import Asked, Decoding, Generation, Generator

# Says what follows a prompt and what its reply begins with; the draw, in [0, 1), is 0 at temperature 0.
Script = Callable[[str, str, float], str]
WORD = re.compile(r"\s*\S+")


class Scripted(Generator):
    """A token is a word with the space before it. ``asked`` and ``decodings`` hold what it was asked for."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[Asked] = []
        self.decodings: list[Decoding] = []

    def write(
        self,
        asked: Sequence[Asked],
        decoding: Decoding,
        seed: int,
        tick: Tick = unseen,
        positions: Sequence[int] | None = None,
    ) -> list[list[Generation]]:
        """Write what the script says, within the limit and up to a stop string."""
        self.asked += asked
        self.decodings.append(decoding)
        tick(len(asked))
        return [
            [self._written(one, decoding, draw) for draw in self._draws(seed, at, decoding)]
            for one, at in zip(asked, range(len(asked)) if positions is None else positions, strict=True)
        ]

    def count(self, text: str) -> int:
        """The number of words."""
        return len(WORD.findall(text))

    def _draws(self, seed: int, position: int, decoding: Decoding) -> list[float]:
        if decoding.temperature == 0:
            return [0.0] * decoding.samples
        return [float(one) for one in np.random.default_rng([seed, position]).random(decoding.samples)]

    def _written(self, asked: Asked, decoding: Decoding, draw: float) -> Generation:
        whole = self._script(asked.prompt, asked.begun, draw)
        places = [place for place in (whole.find(stop) for stop in decoding.stop) if place >= 0]
        words = WORD.findall(whole[: min(places)] if places else whole)
        text = "".join(words[: decoding.max_new_tokens])
        tokens = min(len(words), decoding.max_new_tokens)
        finished = len(words) <= decoding.max_new_tokens and (bool(places) or len(words) < decoding.max_new_tokens)
        return Generation(text if asked.begun else text.strip(), tokens, finished, -0.1 - draw, np.nan, np.nan)
