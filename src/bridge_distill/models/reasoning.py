"""Which tokens of an example are reasoning: what lies between the prompt and the answer, without its scaffolding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge_distill.answers import has_mark
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example
from bridge_distill.models.train.examples import asked_ids

# Token ids of a text, and labels of the same length, ``IGNORED`` where a token is no reasoning.
Row = tuple[list[int], list[int]]

IGNORED = -100  # what torch's cross entropy leaves out
_LABEL = re.compile(
    r"[\s#*>_•-]*"  # headings, bullets, bold
    r"(?:(?:step\s*)?\d+\s*[.):](?!\d)|(?:strategy|tactics|steps|plan|explanation|reasoning)\s*:)?"
    r"[\s*_]*",
    flags=re.IGNORECASE,
)


def reasoning_spans(completion: str) -> Iterator[tuple[int, int]]:
    """Character ranges of the reasoning in a completion, one a line, in order.

    Left out are answer lines, headings such as ``Strategy:`` and numbers of steps: they stand in every completion,
    so a model learns them from a few.
    """
    start = 0
    for line in completion.splitlines(keepends=True):
        text = line.rstrip()
        label = _LABEL.match(text)
        begin = label.end() if label else 0
        if not has_mark(text) and begin < len(text):
            yield start + begin, start + len(text)
        start += len(line)


def reasoning_rows(model: Model, examples: Sequence[Example]) -> list[Row]:
    """Each distinct text that has reasoning, the order kept; stages of a training may read one text several times."""
    texts = dict.fromkeys((example.prompt, example.completion) for example in examples)
    return [row for row in (_row(model, *text) for text in texts) if any(label >= 0 for label in row[1])]


def _row(model: Model, asked: str | None, completion: str) -> Row:
    prompt = asked_ids(model, asked)
    read = model.tokenizer(completion, add_special_tokens=False, return_offsets_mapping=True)
    inside = bytearray(len(completion))
    for begin, end in reasoning_spans(completion):
        inside[begin:end] = b"\1" * (end - begin)
    labels = [
        token if any(inside[begin:end]) else IGNORED
        for token, (begin, end) in zip(read["input_ids"], read["offset_mapping"], strict=True)
    ]
    return [*prompt, *read["input_ids"]], [IGNORED] * len(prompt) + labels
