"""What the two APIs share: a question as it was read, a problem to answer with, and what each must be able to write."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bridge_distill.answers import MARK
from bridge_distill.teacher.providers import Answer, Request
from bridge_distill.traces import parse

if TYPE_CHECKING:
    from bridge_distill.teacher.loopback.batches import Batch

Body = dict[str, Any]
Outcome = Literal["succeeded", "errored", "expired", "cancelled"]


class Problem(Exception):  # noqa: N818
    """A refusal: HTTP ``status``, a message, and the API's code for it where it has one."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a client put it; ``keep`` asks that the completion is stored under its ``metadata``."""

    request: Request
    model: str
    tag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    keep: bool = False


class Api(ABC):
    """One provider's shapes; ``prefix`` begins its completions' ids. Names of headers are lower case throughout."""

    name: ClassVar[str]
    prefix: ClassVar[str]

    def admit(self, headers: Mapping[str, str]) -> None:  # noqa: B027
        """Raise ``Problem`` where a header that this API needs is missing or wrong."""

    @abstractmethod
    def read(self, body: Any, headers: Mapping[str, str]) -> Asked:
        """Read a question; raises ``Problem`` with what is wrong with it."""

    @abstractmethod
    def completion(self, name: str, asked: Asked, answer: Answer, batch: bool) -> Body:
        """The body of a sound answer; ``name`` is its id."""

    @abstractmethod
    def error(self, status: int, message: str, code: str = "") -> Body:
        """The body of an error."""

    @abstractmethod
    def line(self, custom_id: str, outcome: Outcome, status: int, body: Body) -> Body:
        """A batch's result line; ``body`` is the completion, or the error of an ``errored`` item."""

    @abstractmethod
    def batch(self, batch: Batch, root_url: str) -> Body:
        """How a batch stands."""

    @abstractmethod
    def models(self, model: str) -> Body:
        """The list of models, which are one."""


def text_of(content: Any) -> str:
    """A message's text, given as such or in text blocks; raises ``Problem`` for anything else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(b, dict) and isinstance(b.get("text"), str) for b in content):
        return "".join(block["text"] for block in content)
    raise Problem(400, "messages must hold at least one, each with text as its content")


def messages_of(body: Body, roles: set[str]) -> list[dict[str, str]]:
    """The messages of a request; raises ``Problem`` where there are none, or one of another role."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Problem(400, "messages must hold at least one, each with text as its content")
    wrong = next((m.get("role") for m in messages if m.get("role") not in roles), None)
    if wrong is not None or any("role" not in m for m in messages):
        raise Problem(400, f"messages: a role is one of {', '.join(sorted(roles))}")
    return [{"role": m["role"], "content": text_of(m.get("content"))} for m in messages]


def limit_of(value: Any, name: str) -> int:
    """A limit on output tokens."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem(400, f"{name} must be at least 1")
    return value


def number_of(body: Body, name: str) -> float | None:
    """A number that may be left out."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise Problem(400, f"{name} must be a number")
    return float(value)


def schema_of(format: Any) -> Body | None:
    """The JSON schema in ``{"type": "json_schema", ..., "schema": {...}}``, None where nothing was asked for."""
    if format is None:
        return None
    schema = format.get("schema") if isinstance(format, dict) and format.get("type") == "json_schema" else None
    if not isinstance(schema, dict):
        raise Problem(400, "the output format must be a json_schema with its schema")
    return schema


def structured(answer: Answer) -> str:
    """A plain reply as the JSON object that was asked for, split at its last answer mark; cut off where it was."""
    trace, explanation, answered = parse(answer.text), answer.text, ""
    if MARK in answer.text:
        explanation, _, answered = answer.text.rpartition(MARK)
    said: Body = {"explanation": explanation.strip(" *\n"), "answer": answered.strip(" *\n")}
    if trace is not None:
        said = {"strategy": trace.strategy, "steps": trace.steps, "answer": trace.answer}
    text = json.dumps(said, ensure_ascii=False)
    return text[: len(answer.text)] if answer.finish == "length" else text
