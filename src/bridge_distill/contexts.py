"""Which test questions share a context, such as a table that several are asked about: they are no separate evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridge_distill.records import Question

# The share of questions above which what they begin with is an instruction.
INSTRUCTION = 0.1


def contexts(questions: Sequence[Question]) -> list[int] | None:
    """A number for the context of each question, counted from 0; None where every context is another, or all are one.

    The context is the text but for its last line, as where several questions are asked about one table. The lines that
    a question begins with are no context but an instruction as far as more than a tenth of the questions begin so.
    """
    lines = [question.text.strip().split("\n")[:-1] for question in questions]
    numbers: dict[str, int] = {}
    found = [
        numbers.setdefault("\n".join(own[skipped:]) or f"alone {place}", len(numbers))
        for place, (own, skipped) in enumerate(zip(lines, _instructions(lines), strict=True))
    ]
    return found if 1 < len(numbers) < len(found) else None


def _instructions(texts: Sequence[Sequence[str]]) -> list[int]:
    """How many lines each text begins with that more than ``INSTRUCTION`` of all texts begin with."""
    beginnings: dict[tuple[int, str], int] = {}
    read = []
    for lines in texts:
        numbers = [-1]
        for line in lines:
            numbers.append(beginnings.setdefault((numbers[-1], line), len(beginnings)))
        read.append(numbers[1:])
    shared = Counter(number for numbers in read for number in numbers)
    return [sum(shared[number] > INSTRUCTION * len(texts) for number in numbers) for numbers in read]
