"""Errors that a user can cause: one sentence that names the place, the value and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Shown to the user as one sentence, without a traceback; the command then exits with 2.

    ``place`` is the dotted path of the setting, or the file and line; ``problem`` says what was
    found there; ``cure`` says what to do.
    """

    def __init__(self, place: str, problem: str, cure: str) -> None:
        self.place, self.problem, self.cure = place, problem, cure
        super().__init__(f"{place}: {problem}; {cure}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the known names, the nearest one first, for the end of an error's sentence."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    listed = ", ".join(names) if names else "none"
    return f"did you mean {close[0]!r}? (known: {listed})" if close else f"known: {listed}"
