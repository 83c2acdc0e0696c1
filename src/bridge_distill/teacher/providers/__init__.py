"""Providers: who answers the teacher's requests, one file each, one contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.registry import Registry

MESSAGE_OVERHEAD = 32


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request: ``messages`` as ``prompts.teacher`` writes them; ``sample`` counts from 0.

    ``temperature`` is None where the provider takes none; ``schema`` is the JSON schema that the reply
    must keep to, or None for plain text. ``template`` names the instruction and its version, where it has one.
    """

    messages: list[dict[str, str]]
    max_output_tokens: int
    temperature: float | None
    sample: int
    schema: dict[str, Any] | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was billed: its text, why it ended, tokens billed, who answered.

    ``finish`` is ``stop``, ``length``, ``refusal``, ``content_filter`` or the provider's own word;
    ``model`` is the one that the provider says answered, ``id`` the provider's name of the reply.
    """

    text: str
    finish: str
    input_tokens: int
    output_tokens: int
    model: str = ""
    id: str = ""


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


@dataclass(frozen=True, slots=True)
class BatchState:
    """Whether a batch has ended (completed, expired, cancelled, failed), and how it stands in words.

    ``billed`` is False where surely no request of it was worked on, as when the whole batch was refused.
    """

    ended: bool
    words: str
    billed: bool = True


class Batches(ABC):
    """A provider's batch API; ``limit`` is the most requests of one batch."""

    limit: int

    @abstractmethod
    async def submit(self, name: str, requests: Mapping[str, Request]) -> str:
        """Submit requests by custom id under our own ``name``; returns the provider's id of the batch.

        Raises ``NotBilled`` or ``Fatal`` where surely nothing was accepted, else ``Unknown``.
        """

    @abstractmethod
    async def find(self, name: str, since: datetime) -> str | None:
        """The provider's id of a batch submitted under ``name``, whose answer was lost; None if there surely is none.

        Raises ``Unknown`` where the provider cannot say (yet).
        """

    @abstractmethod
    async def state(self, batch: str) -> BatchState:
        """How the batch stands; raises ``Unknown`` or ``Fatal``."""

    @abstractmethod
    def results(self, batch: str) -> AsyncIterator[tuple[str, Answer | Failure]]:
        """What became of each custom id of an ended batch, as far as the provider says."""


class Provider(ABC):
    """Answers requests of one model; ``questions`` are those that may be asked.

    ``vendor`` is the name of the price list in genai-prices, None for a provider that bills nothing.
    ``structured`` says whether it takes a JSON schema, ``takes_temperature`` whether this model takes a
    temperature; ``batches`` is its batch API, and ``batch_share`` the share of the price that a batch
    costs, where that is known. Building one needs neither key nor network.
    """

    vendor: ClassVar[str | None] = None
    structured: ClassVar[bool] = False
    family: str
    model: str
    takes_temperature: bool = True
    batches: Batches | None = None
    batch_share: Decimal | None = None

    @abstractmethod
    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None: ...

    @abstractmethod
    async def ask(self, request: Request, tag: str) -> Answer:
        """Answer one request; raises ``NotBilled``, ``Unknown`` or ``Fatal`` and nothing else.

        ``tag`` names the attempt, for a provider that keeps replies (``recover``).
        """

    @abstractmethod
    def decoding(self, request: Request) -> dict[str, Any]:
        """What decides the reply beside provider, model, messages and sample, as plain JSON values."""

    async def recover(self, tag: str, since: datetime) -> Answer | None:
        """The reply to an attempt whose outcome is unknown, where the provider kept it; None where it cannot say."""
        return None

    def worst_input_tokens(self, messages: Sequence[dict[str, str]]) -> int:
        """A bound on billed input tokens: a token covers at least one byte, plus the chat template's own."""
        total = MESSAGE_OVERHEAD * (1 + len(messages))
        for message in messages:
            text = message["content"]
            total += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        return total

    async def open(self) -> None:  # noqa: B027
        """Called once before the first request; raises ``UserError`` where, say, a key is missing."""

    async def close(self) -> None:  # noqa: B027
        """Called once after the last request."""


providers: Registry[type[Provider]] = Registry("provider", "bridge_distill.teacher.providers")
