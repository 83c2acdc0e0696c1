"""Structured replies: the JSON object that a provider is held to, and the rationale in it."""

from __future__ import annotations

import json
from typing import Any

from bridge_distill import prompts, templates, traces
from bridge_distill.answers import has_mark, options_of
from bridge_distill.records import Question

_EXPLANATION, _STRATEGY, _STEPS, _ANSWER = "explanation", "strategy", "steps", "answer"
_MOST_BRACES = 64


def schema_of(question: Question, trace: str = templates.FLAT) -> dict[str, Any]:
    """The strict JSON schema of a reply; the answer is one of a closed set where its form has one."""
    options = options_of(question)
    answer = {"type": "string", "enum": options} if options else {"type": "string"}
    said: dict[str, Any] = {_EXPLANATION: {"type": "string"}}
    if trace == templates.HIERARCHICAL:
        said = {_STRATEGY: {"type": "string"}, _STEPS: {"type": "array", "items": {"type": "string"}}}
    return {
        "type": "object",
        "properties": {**said, _ANSWER: answer},
        "required": [*said, _ANSWER],
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
    explanation = _explanation(said)
    # An answer line of several lines could not be read.
    answer = " ".join(_text(said[_ANSWER]).split())
    return prompts.completion(prompts.explanation(explanation) or explanation, answer)


def _object_in(text: str) -> tuple[dict[str, Any], str] | None:
    """The last object that is a reply, and the text around it."""
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
    steps = value.get(_STEPS)
    laid_out = (
        isinstance(value.get(_STRATEGY), str) and isinstance(steps, list) and all(isinstance(s, str) for s in steps)
    )
    explained = laid_out or isinstance(value.get(_EXPLANATION), str)
    return explained and isinstance(value.get(_ANSWER), (str, int, float, bool))


def _explanation(said: dict[str, Any]) -> str:
    if not isinstance(said.get(_STRATEGY), str):
        return _text(said[_EXPLANATION])
    lines = [one for one in map(traces.unnumbered, said[_STEPS]) if one]
    return f"{traces.strategy_part(traces.one_line(said[_STRATEGY]))}\n{traces.steps_part(lines)}"


def _text(value: object) -> str:
    # JSON writes truth and numbers bare.
    return value.strip() if isinstance(value, str) else json.dumps(value)
