"""Runs of words, by which texts are compared: two that share a long one were hardly written apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

WORDS = 8


def words_of(text: str) -> list[str]:
    """The words of a text, in one case and without punctuation."""
    return re.findall(r"\w+", text.casefold())


def runs(words: Sequence[str], length: int = WORDS) -> Iterator[int]:
    """A number for each run of ``length`` words, the same for the same words within a process."""
    for start in range(len(words) - length + 1):
        yield hash(tuple(words[start : start + length]))
