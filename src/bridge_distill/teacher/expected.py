"""How long prompts and replies will be: a rule of thumb, corrected by every reply that was bought so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bridge_distill.config import Teacher
from bridge_distill.teacher.budget import Usage
from bridge_distill.teacher.database import Database

BYTES_PER_TOKEN = 4
TOKENS_PER_WORD = 1.4
# How many replies the rule of thumb weighs as much as.
WEIGHT = 10


@dataclass(frozen=True, slots=True)
class Expected:
    """Tokens that a request is expected to use: a share of its bound on input tokens, and so many of output."""

    input_share: float
    output_tokens: float
    replies: int

    @classmethod
    def of(cls, teacher: Teacher, database: Database | None) -> Self:
        """The rule of thumb and what the store's replies of the same model and limit say, weighed by their number."""
        # A bound by an exact tokenizer is nearly met; one by bytes is about four times what is used.
        thumb = 0.9 if teacher.tokenizer else 1 / BYTES_PER_TOKEN
        seen, used, bound, written = _seen(teacher, database)
        share = (WEIGHT * thumb + seen * used / bound) / (WEIGHT + seen) if bound else thumb
        return cls(share, (WEIGHT * nominal_output(teacher) + written) / (WEIGHT + seen), seen)

    def usage(self, worst: Usage) -> Usage:
        """The expected use of a request with this worst case."""
        output = min(round(self.output_tokens), worst.output_tokens)
        return Usage(min(round(worst.input_tokens * self.input_share), worst.input_tokens), output)


def bytes_of(messages: Sequence[dict[str, str]]) -> int:
    """The UTF-8 bytes of a prompt's text."""
    total = 0
    for message in messages:
        text = message["content"]
        total += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return total


def nominal_usage(teacher: Teacher, prompt_bytes: int) -> Usage:
    """What a request uses by rule of thumb alone."""
    return Usage(prompt_bytes // BYTES_PER_TOKEN, nominal_output(teacher))


def nominal_output(teacher: Teacher) -> int:
    """Tokens of a reply of ``teacher.max_words``, by rule of thumb."""
    return min(round(teacher.max_words * TOKENS_PER_WORD), teacher.max_output_tokens)


def _seen(teacher: Teacher, database: Database | None) -> tuple[int, int, int, int]:
    """Number of replies, their input tokens, the bounds on these, and their output tokens."""
    if database is None:
        return 0, 0, 0, 0
    query = """SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(worst_input_tokens), 0),
        coalesce(sum(output_tokens), 0) FROM attempts
        WHERE model = ? AND worst_output_tokens = ? AND outcome = 'settled'"""
    number, used, bound, written = database.rows(query, teacher.model or teacher.provider, teacher.max_output_tokens)[0]
    return number, used, bound, written
