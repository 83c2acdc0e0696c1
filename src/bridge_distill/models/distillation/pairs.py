"""One text in two readings: the student's tokens, the assistant's, and where both agree on a boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.distillation.tokens import Shared, shared, surfaces
from bridge_distill.models.load import Model, prompt_ids, text_ids


@dataclass(frozen=True)
class Reading:
    """Token ids of a prompt and of what follows it, as one model reads them."""

    prompt: list[int]
    completion: list[int]

    @property
    def ids(self) -> list[int]:
        """All of them."""
        return self.prompt + self.completion


@dataclass(frozen=True)
class Pair:
    """Both readings of a text; ``spans`` (spans, 2) are how many tokens of the student and of the assistant say the
    same bytes, from the completion's first token on. What follows the last span is compared with nothing.
    """

    student: Reading
    assistant: Reading
    spans: NDArray[np.int64]


class Readers:
    """Pairs the readings of two models, of which only the tokenizers are kept.

    ``shared`` is what their vocabularies have in common.
    """

    def __init__(self, student: Model, assistant: Model) -> None:
        self.shared: Shared = shared(student, assistant)
        self.student, self.assistant = student.tokenizer, assistant.tokenizer
        self._said = [
            surfaces(self.student, len(self.shared.student)),
            surfaces(self.assistant, len(self.shared.assistant)),
        ]

    def pair(self, prompt: str, completion: Sequence[int]) -> Pair:
        """Both readings of a prompt's text and of the student's tokens after it, with or without the end token.

        With one tokenizer the assistant reads the very tokens; with two it reads their text in tokens of its own.
        """
        tokens = list(completion)
        asked = Reading(prompt_ids(self.student, prompt), tokens)
        heard = prompt_ids(self.assistant, prompt)
        if self.shared.same:
            return Pair(asked, Reading(heard, tokens), np.ones((len(tokens), 2), dtype=np.int64))
        ended = tokens[-1:] == [self.student.eos_token_id]
        said = tokens[:-1] if ended else tokens
        theirs = text_ids(self.assistant, self.student.decode(said, skip_special_tokens=True))
        found = spans(self._bytes(0, said), self._bytes(1, theirs))
        if not ended:
            return Pair(asked, Reading(heard, theirs), found)
        if found.sum(0).tolist() == [len(said), len(theirs)]:  # both are where the text ends
            found = np.concatenate([found, np.ones((1, 2), dtype=np.int64)])
        return Pair(asked, Reading(heard, [*theirs, self.assistant.eos_token_id]), found)

    def _bytes(self, side: int, tokens: Sequence[int]) -> list[bytes]:
        return sound([self._said[side][token] or b"" for token in tokens])


def sound(said: Sequence[bytes]) -> list[bytes]:
    """What tokens say, with U+FFFD where that is no text, as decoding has it; the last token of such a place has it."""
    whole, start = [bytes([byte]) for byte in b"".join(said)], 0
    while start < len(whole):
        try:
            b"".join(whole[start:]).decode()
            break
        except UnicodeDecodeError as error:
            begin, end = start + error.start, start + error.end
            whole[begin:end] = [b""] * (end - begin - 1) + ["\ufffd".encode()]
            start = end
    ends = np.cumsum([0, *map(len, said)])
    return [b"".join(whole[begin:end]) for begin, end in pairwise(ends.tolist())]


def spans(ours: Sequence[bytes], theirs: Sequence[bytes]) -> NDArray[np.int64]:
    """Numbers of tokens (spans, 2) of two readings that say the same bytes, each span as short as it can be.

    Spaces that only one of them begins with are left out; where the readings part, the spans end.
    """
    one, other = b"".join(ours), b"".join(theirs)
    blanks = [len(text) - len(text.lstrip(b" ")) for text in (one, other)]
    leads = [count - min(blanks) for count in blanks]
    agreed = _agreed(one[leads[0] :], other[leads[1] :])
    ends = [_ends(side, lead) for side, lead in zip((ours, theirs), leads, strict=True)]
    cuts = sorted(place for place in ends[0].keys() & ends[1].keys() if place <= agreed)
    counts = np.array([[0, 0], *([ends[0][place], ends[1][place]] for place in cuts)], dtype=np.int64)
    found: NDArray[np.int64] = np.diff(counts, axis=0)
    return found[(found > 0).all(1)]


def _agreed(one: bytes, other: bytes) -> int:
    """The length of the common beginning."""
    shorter = min(len(one), len(other))
    differ = np.flatnonzero(np.frombuffer(one[:shorter], np.uint8) != np.frombuffer(other[:shorter], np.uint8))
    return int(differ[0]) if len(differ) else shorter


def _ends(said: Sequence[bytes], lead: int) -> dict[int, int]:
    """How many tokens have been read where each of them ends; what says nothing belongs to the token before it."""
    places = np.cumsum([len(part) for part in said], dtype=np.int64) - lead
    return {int(place): count for count, place in enumerate(places, 1) if place > 0}
