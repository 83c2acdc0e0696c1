"""Expert: solves the practice tasks step by step, in several phrasings, with a known share of errors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bridge_distill.config import Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.scripted import Scripted
from bridge_distill.traces import render

_SCALE = 1 << 32


@providers.register("expert")
class Expert(Scripted):
    """Keeps to one phrasing, a further sample to another; whether a reply errs follows from the text and the sample."""

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        super().__init__(teacher, questions)
        self._error_rate = teacher.error_rate

    def reply(self, text: str, sample: int) -> str | None:
        """A rationale that ends with its answer line, or None for a question of no practice task."""
        from bridge_distill import practice

        return practice.solve(text, sample, self._errs(text, sample))

    def trace(self, text: str, sample: int) -> str | None:
        """The same on two levels."""
        from bridge_distill import practice

        found = practice.trace(text, sample, self._errs(text, sample))
        return None if found is None else render(found)

    def _errs(self, text: str, sample: int) -> bool:
        return _draw(text, f"error {sample}") < self._error_rate * _SCALE


def _draw(text: str, purpose: str) -> int:
    """A number below 2**32 that is uniform over texts and the same for ever."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\n{text}".encode("utf-8", "replace")).digest()[:4], "big")
