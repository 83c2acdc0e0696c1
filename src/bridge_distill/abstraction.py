"""What of a text belongs to one question alone: its numbers and its names. A strategy must hold neither."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

# Of texts with numbers and names masked, and a seed: the number of each one's kind.
KindsFn = Callable[[Sequence[str], int], Sequence[int]]

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CHOICE = re.compile(r"(?:\A|(?<=\n))[A-Z]\) \Z")
_TITLES = ("Mr", "Mrs", "Ms", "Dr", "St", "Prof", "v", "vs")
_OPENERS = (
    *("a", "an", "and", "are", "at", "by", "can", "do", "does", "each", "for", "from", "give", "has", "have", "how"),
    *("if", "in", "is", "it", "its", "of", "on", "or", "so", "that", "the", "their", "then", "there", "this", "to"),
    *("was", "were", "what", "when", "where", "which", "who", "whose", "why", "will", "with"),
)


def numbers(text: str) -> set[Decimal]:
    """The values of the numbers that are written in digits; ``1,000`` and ``1000.0`` are the same."""
    return {Decimal(found.replace(",", "")) for found in _NUMBER.findall(text)}


def names(text: str) -> set[str]:
    """Capitalised words that do not begin a sentence, and those that begin one before such a word.

    Words in capitals alone (abbreviations) and words that the text also writes small are no names.
    """
    words = list(_WORD.finditer(text))
    small = {word[0] for word in words if word[0].islower()}.union(_OPENERS)
    found: set[str] = set()
    following = None
    for word in reversed(words):
        named = _capitalised(word[0]) and word[0] not in _TITLES and word[0].lower() not in small
        touches = following is not None and text[word.end() : following].isspace()
        if named and (touches or not _begins_sentence(text, word.start())):
            found.add(word[0])
        following = word.start() if word[0] in found else None
    return found


def leak(strategy: str, question: str) -> str | None:
    """What a strategy gives away of its question: ``"number"``, ``"name"`` or None."""
    if numbers(strategy) & numbers(question):
        return "number"
    return "name" if names(question) & {word[0] for word in _WORD.finditer(strategy)} else None


def masked(text: str) -> str:
    """The text with ``#`` for every number and every name."""
    own = names(text)
    return _NUMBER.sub("#", _WORD.sub(lambda word: "#" if word[0] in own else word[0], text))


def _capitalised(word: str) -> bool:
    return word[0].isupper() and any(sign.islower() for sign in word[1:])


def _begins_sentence(text: str, start: int) -> bool:
    if _CHOICE.search(text, max(0, start - 4), start):
        return True
    end = start
    while end and text[end - 1] in " \t\"'“”‘’()[]":
        end -= 1
    # A title and its full stop are at most five signs: looking further back would make long texts slow.
    last = text[max(0, end - 6) : end].split()
    return not end or (text[end - 1] in ".?!:;\n|" and (not last or last[-1].removesuffix(".") not in _TITLES))
