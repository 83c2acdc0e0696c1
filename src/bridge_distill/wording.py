"""Runs of words, by which texts are compared: two that share a long one were hardly written apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

WORDS = 8
# Scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese. There a sign is a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


def words_of(text: str) -> list[str]:
    """The words of a text, in one case and without punctuation."""
    return _WORD.findall(text.casefold())


def runs(words: Sequence[str], length: int = WORDS) -> Iterator[int]:
    """A number for each run of ``length`` words, the same for the same words within a process."""
    for start in range(len(words) - length + 1):
        yield hash(tuple(words[start : start + length]))
