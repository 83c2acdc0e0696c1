"""Yes or no."""

from __future__ import annotations

import re

from bridge_distill.answers import answer_forms
from bridge_distill.answers.choice import read_letter
from bridge_distill.records import Question

_POLARITY = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_LEADING = re.compile(r"\W*(yes|true|no|false)\b(.*)", flags=re.DOTALL)
# What may follow: a sign that ends the answer, or a word that begins a sentence about it; "no doubt" says neither.
_FOLLOWS = re.compile(
    r"[^\w?]*|\s*(?:['’](?!\w)|[^\w\s?/&|'’-]).*|\s+[-–—].*|"
    r"\s+(?:it|he|she|they|we|you|i|there|this|that|these|those|the|both|because|since|as|for)\b.*",
    flags=re.DOTALL,
)
_TAKEN_BACK = re.compile(r"\W*(?:or|maybe|perhaps|wait|wrong|incorrect|is\s+(?:not|wrong|incorrect))\b")
_DENIED = re.compile(r"\W*not(?:\s+(?:at\s+all|really|quite|sure))?\W*")
_NUMBERED = re.compile(r"\.\s*\d+\W*")


class YesNo:
    """Canonical is ``yes`` or ``no``; true and false mean the same."""

    def instruction(self, question: Question) -> str:
        """``yes or no``."""
        return "yes or no"

    def options(self, question: Question) -> list[str]:
        """Both words."""
        return ["yes", "no"]

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """Read the leading word, or the letter of a Yes or No choice; none where a text says both or takes it back."""
        plain = text.lower().replace("_", " ")
        leading = _LEADING.fullmatch(plain)
        if leading is None:
            return _by_letter(text, choices)
        said = {_POLARITY[word] for word in re.findall(r"[^\W_]+", plain) if word in _POLARITY}
        return said.pop() if len(said) == 1 and _stands(leading[1], leading[2]) else None

    def correct(self, answer: str, question: Question) -> bool:
        """The same word."""
        return answer == question.answer


def _stands(word: str, rest: str) -> bool:
    """Whether what follows the leading word leaves it standing."""
    if not _FOLLOWS.fullmatch(rest) or _TAKEN_BACK.match(rest):
        return False
    return not (_NUMBERED if _POLARITY[word] == "no" else _DENIED).fullmatch(rest)


def _by_letter(text: str, choices: list[str] | None) -> str | None:
    meanings = [_POLARITY.get(choice.strip(" .").lower()) for choice in choices or []]
    if sorted(filter(None, meanings)) != ["no", "yes"] or len(meanings) != 2:
        return None
    letter = read_letter(text, choices)
    return None if letter is None else meanings["AB".index(letter)]


answer_forms.register("yes_no")(YesNo())
