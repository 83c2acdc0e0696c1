"""A trace, what models' work on its question is kept by, and the gates that judge it by its text alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bridge_distill.curation.settings import Settings
from bridge_distill.data.duplicates import order_key
from bridge_distill.records import Question
from bridge_distill.registry import Registry


@dataclass(frozen=True, slots=True)
class Trace:
    """A question of the pool with its rationale (empty where it has none).

    ``line`` is where it stands in the file, ``row`` its number among the rows, from 0.
    """

    line: int
    row: int
    question: Question
    rationale: str


def asked_key(question: Question) -> str:
    """What a model's work on a question is kept by: all that its prompt is made of, the wording and the answer form."""
    return f"{question.form} {order_key(question)}"


class Gate(Protocol):
    """One test of quality; pure, and about as fast as reading the text."""

    def __call__(self, trace: Trace, settings: Settings) -> str | None:
        """Why the trace is not used, in words that rows can be counted by, or None."""


gates: Registry[Gate] = Registry("gate", "bridge_distill.curation.gates")
