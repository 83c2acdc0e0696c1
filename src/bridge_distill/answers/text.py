"""A short free text, matched exactly once case, punctuation, articles and spacing are set aside."""

from __future__ import annotations

import unicodedata

from bridge_distill.answers import answer_forms
from bridge_distill.records import Question

_SIGNS = ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sk")


class Text:
    """Canonical keeps the spelling on one line, so that a model learns to write it as it is."""

    def instruction(self, question: Question) -> str:
        """``the answer``."""
        return "the answer"

    def options(self, question: Question) -> list[str]:
        """None: they cannot be listed."""
        return []

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """The text on one line without a closing full stop; None where it is empty."""
        line = " ".join(unicodedata.normalize("NFKC", text).split())
        return line.rstrip(". ") or line or None

    def correct(self, answer: str, question: Question) -> bool:
        """The same words."""
        return question.answer is not None and normalised(answer) == normalised(question.answer)


def normalised(text: str) -> str:
    """Fold case and width, drop punctuation and articles; a text of nothing else keeps what it has."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = "".join(" " if unicodedata.category(char) in _SIGNS else char for char in folded).split()
    return " ".join([word for word in words if word not in ("a", "an", "the")] or words or folded.split())


answer_forms.register("text")(Text())
