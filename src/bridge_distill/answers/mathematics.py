"""A mathematical expression, in LaTeX or plain, compared by value (math-verify, which is optional)."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

from bridge_distill.answers import answer_forms
from bridge_distill.answers.mathematician import Mathematician
from bridge_distill.errors import UserError
from bridge_distill.records import Question

LONGEST = 400
_OWN_SIGNS = ("$", r"\(", r"\[", r"\boxed")


class Mathematics:
    """Canonical keeps the spelling on one line; ``1/2``, ``0.5`` and ``\\frac{1}{2}`` are one answer."""

    def instruction(self, question: Question) -> str:
        """``a mathematical expression``."""
        return "a mathematical expression"

    def options(self, question: Question) -> list[str]:
        """None: they cannot be listed."""
        return []

    def canonical(self, text: str, choices: list[str] | None) -> str | None:
        """The text on one line, without dollar signs around it; None where no mathematics can be read in time."""
        line = " ".join(text.split()).rstrip(" .$").lstrip(" $")
        return line if line and len(line) <= LONGEST and _ask("read", _in_latex(line)) else None

    def correct(self, answer: str, question: Question) -> bool:
        """The same spelling, or the same value as far as can be shown in time."""
        gold = question.answer or ""
        return answer == gold or _ask("agree", _in_latex(gold), _in_latex(answer))


def _in_latex(line: str) -> str:
    """A text with the signs by which mathematics is found in it."""
    return line if any(sign in line for sign in _OWN_SIGNS) else f"${line}$"


@lru_cache(maxsize=1 << 16)  # samples and votes ask the same again and again
def _ask(*request: str) -> bool:
    if find_spec("math_verify") is None:
        cure = "run: pip install 'bridge-distill[math]'"
        raise UserError("data.answer", "math needs math-verify, which is not installed", cure)
    return _mathematician.ask(request)


_mathematician = Mathematician()
answer_forms.register("math")(Mathematics())
