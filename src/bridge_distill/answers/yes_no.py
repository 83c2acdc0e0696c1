"""Yes or no."""

from __future__ import annotations

import re

from bridge_distill.answers import answer_forms
from bridge_distill.answers.choice import read_letter
from bridge_distill.records import Question

_POLARITY = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


class YesNo:
    """Canonical is ``yes`` or ``no``; true and false mean the same."""

    def instruction(self, question: Question) -> str:
        """``yes or no``."""
        return "yes or no"

    def options(self, question: Question) -> list[str]:
        """Both words."""
        return ["yes", "no"]

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """Read the leading word, or the letter of a Yes or No choice; a text that says both is none."""
        words = re.findall(r"[^\W_]+", text.lower())
        said = {_POLARITY[word] for word in words if word in _POLARITY}
        if words and words[0] in _POLARITY:
            return said.pop() if len(said) == 1 else None
        return _by_letter(text, choices)

    def correct(self, answer: str, question: Question) -> bool:
        """The same word."""
        return answer == question.answer


def _by_letter(text: str, choices: list[str] | None) -> str | None:
    meanings = [_POLARITY.get(choice.strip(" .").lower()) for choice in choices or []]
    if sorted(filter(None, meanings)) != ["no", "yes"] or len(meanings) != 2:
        return None
    letter = read_letter(text, choices)
    return None if letter is None else meanings["AB".index(letter)]


answer_forms.register("yes_no")(YesNo())
