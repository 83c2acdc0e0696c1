"""Ways in which the loopback server can misbehave, and those that change what an answer says.

How a fault looks on the wire stands in ``wire``, what becomes of a batch in ``batches``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from bridge_distill.teacher.providers import Answer

WireKind = Literal["status", "reset", "hang", "drip", "garbage", "not_json", "not_utf8", "content_type", "html", "huge"]
ReplyKind = Literal["length", "content_filter", "refusal", "unstructured"]
BodyKind = Literal["empty_choices", "no_usage", "wrong_model"]
WorkKind = Literal["duplicate", "stale"]
BatchKind = Literal["batch_failed", "batch_expired", "batch_cancelled", "batch_stuck"]
LineKind = Literal["batch_missing_line", "batch_duplicate_line", "batch_reordered", "batch_garbage_line"]
Kind = Literal[WireKind, ReplyKind, BodyKind, WorkKind, BatchKind, LineKind]
Place = Literal["ask", "kept", "models", "count", "upload", "batch", "poll", "list", "cancel", "results"]
Body = dict[str, Any]

KINDS: tuple[str, ...] = get_args(Kind)
PLACES: tuple[str, ...] = get_args(Place)

_BEFORE_THE_WORK = {"status", "reset", "hang", "not_json", "html", "batch_failed"}
_TEXT = re.compile(rb'"(?:content|text)": "')


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call.

    ``billed`` says whether the work was done (an ask billed, a file stored, a batch accepted) before
    that; None: it was where an answer reaches the client, and was not for a status, reset, hang, HTML
    page or a body that is no JSON. ``status``, ``message`` and ``code`` are those of an error (500), of
    an HTML page (200); ``headers`` come on top. ``seconds`` is how long a ``hang`` or ``drip`` lasts, it
    ends early when the server closes; ``megabytes`` the size of a ``huge`` reply. Of a batch, ``share``
    of the items are worked before it expires or is cancelled, and it ends at the look number ``polls``.
    """

    kind: Kind
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    billed: bool | None = None
    seconds: Annotated[float, Field(ge=0)] = 60.0
    message: str = "planned fault"
    code: str = ""
    megabytes: Annotated[int, Field(gt=0)] = 32
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    polls: Annotated[int, Field(gt=0)] | None = None

    @property
    def worked(self) -> bool:
        """Whether the work is done before the fault shows."""
        return self.kind not in _BEFORE_THE_WORK if self.billed is None else self.billed


def places_of(kind: str) -> tuple[str, ...]:
    """Where a kind of fault can happen, the usual place first."""
    if kind in get_args(WireKind):
        return PLACES
    if kind in (*get_args(BatchKind), *get_args(LineKind)):
        return ("batch",)
    return ("ask", "batch") if kind == "duplicate" else ("ask",)


def text_start(body: bytes) -> int:
    """Where the reply's text begins in a body as ``json.dumps`` writes it; 0 where it has none."""
    found = _TEXT.search(body)
    return found.end() if found else 0


def _length(answer: Answer) -> Answer:
    return replace(answer, text=answer.text[: len(answer.text) // 2], finish="length")


def _content_filter(answer: Answer) -> Answer:
    return replace(answer, text="", finish="content_filter")


def _refusal(answer: Answer) -> Answer:
    return replace(answer, text="I cannot help with that.", finish="refusal")


REPLIES: dict[str, Callable[[Answer], Answer]] = {
    "length": _length,
    "content_filter": _content_filter,
    "refusal": _refusal,
}


def _empty_choices(body: Body) -> Body:
    return {**body, "choices" if "choices" in body else "content": []}


def _no_usage(body: Body) -> Body:
    return {key: value for key, value in body.items() if key != "usage"}


def _wrong_model(body: Body) -> Body:
    return {**body, "model": "another-model"}


BODIES: dict[str, Callable[[Body], Body]] = {
    "empty_choices": _empty_choices,
    "no_usage": _no_usage,
    "wrong_model": _wrong_model,
}


def _missing_line(lines: list[str]) -> list[str]:
    return lines[1:]


def _duplicate_line(lines: list[str]) -> list[str]:
    return lines[:1] + lines


def _reordered(lines: list[str]) -> list[str]:
    return lines[::-1]


def _garbage_line(lines: list[str]) -> list[str]:
    return [line[: len(line) // 2] for line in lines[:1]] + lines[1:]


LINES: dict[str, Callable[[list[str]], list[str]]] = {
    "batch_missing_line": _missing_line,
    "batch_duplicate_line": _duplicate_line,
    "batch_reordered": _reordered,
    "batch_garbage_line": _garbage_line,
}
