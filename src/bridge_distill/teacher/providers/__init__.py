"""Providers: who answers the teacher's requests, one file each, one contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.registry import Registry

MESSAGE_OVERHEAD = 32


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request: ``messages`` as ``prompts.teacher`` writes them; ``sample`` counts from 0."""

    messages: list[dict[str, str]]
    max_output_tokens: int
    temperature: float
    sample: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was billed: its text, why it ended (``stop``, ``length``, ...), tokens billed."""

    text: str
    finish: str
    input_tokens: int
    output_tokens: int


class Failure(Exception):  # noqa: N818
    """An attempt without a reply. ``wait`` is how many seconds the provider asks to be left alone."""

    def __init__(self, reason: str, retry: bool, wait: float | None = None) -> None:
        self.reason, self.retry, self.wait = reason, retry, wait
        super().__init__(reason)


class NotBilled(Failure):
    """Surely not billed: refused by the provider (``sent``), or never sent."""

    def __init__(self, reason: str, retry: bool = False, sent: bool = True, wait: float | None = None) -> None:
        self.sent = sent
        super().__init__(reason, retry, wait)


class Fatal(NotBilled):
    """Refused for a cause that every other request shares; ``error`` is what to tell the user."""

    def __init__(self, error: UserError) -> None:
        self.error = error
        super().__init__(error.problem)


class Unknown(Failure):
    """Sent, and perhaps billed: stays charged. A retry is a new attempt."""

    def __init__(self, reason: str, retry: bool = True, wait: float | None = None) -> None:
        super().__init__(reason, retry, wait)


class Provider(ABC):
    """Answers requests of one model; ``questions`` are those that may be asked.

    ``vendor`` is the name of the price list in genai-prices, None for a provider that is part of
    this program and bills nothing itself. Building one needs neither key nor network.
    """

    vendor: ClassVar[str | None] = None
    family: str
    model: str

    @abstractmethod
    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None: ...

    @abstractmethod
    async def ask(self, request: Request) -> Answer:
        """Answer one request; raises ``NotBilled``, ``Unknown`` or ``Fatal`` and nothing else."""

    @abstractmethod
    def decoding(self, request: Request) -> dict[str, Any]:
        """What decides the reply beside provider, model, messages and sample, as plain JSON values."""

    def worst_input_tokens(self, messages: Sequence[dict[str, str]]) -> int:
        """A bound on billed input tokens: a token covers at least one byte, plus the chat template's own."""
        return MESSAGE_OVERHEAD + sum(len(m["content"].encode("utf-8", "replace")) + MESSAGE_OVERHEAD for m in messages)

    async def open(self) -> None:  # noqa: B027
        """Called once before the first request; raises ``UserError`` where, say, a key is missing."""

    async def close(self) -> None:  # noqa: B027
        """Called once after the last request."""


providers: Registry[type[Provider]] = Registry("provider", "bridge_distill.teacher.providers")
