"""How the teacher is asked for a hierarchical trace: a versioned template for each answer form.

Name and version are a part of the request. A change of wording raises ``VERSION``, and so asks anew.
"""

from __future__ import annotations

from bridge_distill.traces import STEPS, STRATEGY

FLAT, HIERARCHICAL = "flat", "hierarchical"
VERSION = 1
_GENERAL = "one thought a step"
_HINTS = {
    "number": "one calculation a step, written out such as 'a * b = c'",
    "yes_no": "one condition a step, and whether it holds",
    "choice": "what decides between the choices, one thought a step",
    "date": "one date or period a step, and how it is counted",
    "text": _GENERAL,
}
_PLAN = (
    "the abstract plan in one sentence, which fits every question of this kind and holds no number or name of this one"
)


def name_of(form: str, trace: str) -> str | None:
    """The name and version of the template for an answer form; None for flat rationales, which have none."""
    return None if trace == FLAT else f"{trace}/{form if form in _HINTS else 'general'}/{VERSION}"


def ask(form: str, ends: str, mark: str, max_words: int, structured: bool) -> str:
    """The instruction for a hierarchical trace; ``ends`` is what follows the answer's ``mark``."""
    steps = f"numbered steps that carry the plan out on this question ({_HINTS.get(form, _GENERAL)})"
    start = f"Explain briefly how to find the answer, in plain text and at most {max_words} words, on two levels."
    if structured:
        return (
            f"{start} Reply with one JSON object: 'strategy', a string, {_PLAN}; 'steps', a list of strings, the "
            f"{steps.removeprefix('numbered ')}; and 'answer', a string, which is {ends} and nothing else."
        )
    return (
        f"{start} First one line '{STRATEGY} ...': {_PLAN}. Then a line '{STEPS}' and the {steps}, one a line: "
        f"'1. ...'. Then end with one last line: '{mark} {ends}'."
    )


def asks_for_strategy(system: str) -> bool:
    """Whether an instruction asks for a hierarchical trace."""
    return "on two levels." in system
