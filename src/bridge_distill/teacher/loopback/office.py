"""Where the work is done and billed, whatever the API and whatever then becomes of the answer."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bridge_distill.teacher.loopback.api import Api, Asked, Body, Problem, structured
from bridge_distill.teacher.loopback.faults import BODIES, REPLIES, Fault, Place, places_of
from bridge_distill.teacher.loopback.wire import WIRE
from bridge_distill.teacher.providers import Answer, NotBilled, Request

if TYPE_CHECKING:
    from bridge_distill.teacher.loopback.batches import Batch

AnswerFn = Callable[[Request], Answer]
FaultFn = Callable[[int, Request], Fault | None]
CallFaultFn = Callable[[int, str], Fault | None]
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Billed:
    """One line of the server's books.

    ``number`` is the question's, ``tag`` the metadata's ``tag`` (Anthropic: ``user_id``), else a batch
    item's custom id.
    """

    number: int
    question: str
    input_tokens: int
    output_tokens: int
    batch: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored completion, under the metadata of its request."""

    body: Body
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file, or one that a batch wrote."""

    name: str
    purpose: str
    content: bytes
    created: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Worked:
    """A question's completion, how often it was billed, and what is to go wrong with it on the way back."""

    body: Body
    answer: Answer
    times: int
    fault: Fault | None


class Office:
    """All that a provider remembers. ``fault`` is asked about each question, ``calls`` about each other call.

    Numbers count questions, alone or in a batch, from 0 in the order of their arrival. The newest
    ``KEPT`` stored completions are kept.
    """

    def __init__(self, answer: AnswerFn, model: str, fault: FaultFn | None, calls: CallFaultFn | None) -> None:
        self.answer, self.model, self.fault, self.calls = answer, model, fault, calls
        self.books: list[Billed] = []
        self.kept: dict[str, Kept] = {}
        self.files: dict[str, File] = {}
        self.batches: dict[str, Batch] = {}
        self.token = secrets.token_hex(4)
        self._latest: dict[str, Body] = {}
        self._lock, self._turns = threading.Lock(), Counter[str]()

    def turn(self, place: str) -> int:
        """The number of the next call of a kind, from 0."""
        with self._lock:
            self._turns[place] += 1
            return self._turns[place] - 1

    def planned(self, place: Place, number: int, request: Request | None = None) -> Fault | None:
        """What goes wrong with a call; raises ``ValueError`` for a fault that cannot befall it."""
        if request is not None:
            fault = self.fault(number, request) if self.fault else None
        else:
            fault = self.calls(number, place) if self.calls else None
        if fault is not None and place not in places_of(fault.kind):
            raise ValueError(f"a fault {fault.kind!r} cannot befall {place!r}")
        return fault

    def name(self, prefix: str) -> str:
        """A new id, that no other server gives."""
        return f"{prefix}{self.token}{self.turn(prefix)}"

    def count(self, request: Request) -> int:
        """The input tokens that a request would be billed; raises ``Problem`` where it has no answer."""
        try:
            return self.answer(request).input_tokens
        except NotBilled as failure:
            raise Problem(400, failure.reason) from None

    def work(self, api: Api, asked: Asked, batch: bool = False) -> Worked:
        """Answer one question and bill it, if its fault says so; raises ``Problem`` where there is no answer."""
        number = self.turn("ask")
        fault = self.planned("ask", number, asked.request)
        try:
            answer = self.answer(asked.request)
        except NotBilled as failure:
            raise Problem(400, failure.reason) from None
        kind = fault.kind if fault else ""
        answer = _worded(answer, asked, kind)
        body = api.completion(f"{api.prefix}{self.token}{number}", asked, answer, batch)
        times = _times_billed(fault, batch)
        question, earlier = asked.request.messages[-1]["content"], None
        if times:
            line = Billed(number, question, answer.input_tokens, answer.output_tokens, batch, asked.tag)
            earlier = self._enter(api, [line] * times, asked, body)
        if kind == "stale" and earlier is not None:
            body = earlier
        return Worked(BODIES[kind](body) if kind in BODIES else body, answer, times, fault)

    def _enter(self, api: Api, lines: list[Billed], asked: Asked, body: Body) -> Body | None:
        """Bill and keep; returns the completion that this API gave before."""
        with self._lock:
            self.books += lines
            earlier, self._latest[api.name] = self._latest.get(api.name), body
            if asked.keep:
                self.kept[body["id"]] = Kept(body, dict(asked.metadata))
                if len(self.kept) > KEPT:
                    del self.kept[next(iter(self.kept))]
        return earlier


def _worded(answer: Answer, asked: Asked, kind: str) -> Answer:
    if asked.request.schema is not None and kind != "unstructured" and answer.finish in ("stop", "length"):
        answer = replace(answer, text=structured(answer))
    return REPLIES[kind](answer) if kind in REPLIES else answer


def _times_billed(fault: Fault | None, batch: bool) -> int:
    """An item of a batch that fails as if on the wire is billed only where that is said."""
    if fault is None:
        return 1
    if batch and fault.kind in WIRE:
        return int(fault.billed is True)
    return int(fault.worked) * (2 if fault.kind == "duplicate" else 1)
