"""Structured replies: the JSON object that a provider is held to, and the rationale in it."""

from __future__ import annotations

import json
from typing import Any

from bridge_distill import prompts
from bridge_distill.answers import has_mark, options_of
from bridge_distill.records import Question

_EXPLANATION, _ANSWER = "explanation", "answer"
_MOST_BRACES = 64


def schema_of(question: Question) -> dict[str, Any]:
    """The strict JSON schema of a reply; the answer is one of a closed set where its form has one."""
    options = options_of(question)
    answer = {"type": "string", "enum": options} if options else {"type": "string"}
    return {
        "type": "object",
        "properties": {_EXPLANATION: {"type": "string"}, _ANSWER: answer},
        "required": [_EXPLANATION, _ANSWER],
        "additionalProperties": False,
    }


def read(text: str) -> str:
    """A structured reply as plain text that ends with its answer line; any other text as it stands.

    The object may stand in a code fence or between words; where an answer line stands beside it, that
    line is the answer.
    """
    found = _object_in(text)
    if found is None:
        return text
    said, outside = found
    if has_mark(outside):
        return text
    explanation = _text(said[_EXPLANATION])
    # An answer line of several lines could not be read.
    answer = " ".join(_text(said[_ANSWER]).split())
    return prompts.completion(prompts.explanation(explanation) or explanation, answer)


def _object_in(text: str) -> tuple[dict[str, Any], str] | None:
    """The last object with both keys, and the text around it."""
    decoder, found, start = json.JSONDecoder(strict=False), None, text.find("{")
    for _ in range(_MOST_BRACES):
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            value, end = None, start + 1
        if _is_reply(value):
            found = value, text[:start] + text[end:]
        start = text.find("{", end)
    return found


def _is_reply(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get(_EXPLANATION), str) and isinstance(value.get(_ANSWER), (str, int, float, bool))


def _text(value: object) -> str:
    # JSON writes truth and numbers bare.
    return value.strip() if isinstance(value, str) else json.dumps(value)
