"""What the experts inside this program share: a text found or made locally, counted and cut like a provider's."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from bridge_distill.config import Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.providers import Answer, NotBilled, Provider, Request
from bridge_distill.templates import asks_for_strategy

BYTES_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Tokens of a text by a rule of thumb, a quarter of its UTF-8 bytes rounded up: the unit these experts bill in."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


class Scripted(Provider):
    """A provider that needs no network; it passes through ledger and store exactly like a paid one."""

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        self.family = teacher.provider
        self.model = teacher.model or teacher.provider

    @abstractmethod
    def reply(self, text: str, sample: int) -> str | None:
        """The whole reply to a user message, or None where there is none. Pure."""

    def trace(self, text: str, sample: int) -> str | None:
        """The reply where a hierarchical trace is asked for; the plain one, where the expert knows no other. Pure."""
        return self.reply(text, sample)

    def answer(self, request: Request) -> Answer:
        """Answer at once; raises ``NotBilled`` where there is no reply to the last user message."""
        whole = self._whole(request)
        if whole is None:
            raise NotBilled(f"the {self.family} expert has no reply to this question")
        prompt = sum(count_tokens(message["content"]) for message in request.messages)
        text = whole.encode("utf-8", "replace")[: request.max_output_tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")
        finish = "stop" if count_tokens(whole) <= request.max_output_tokens else "length"
        return Answer(text, finish, prompt, count_tokens(text))

    async def ask(self, request: Request, tag: str) -> Answer:
        """``answer``, for those who wait."""
        return self.answer(request)

    def decoding(self, request: Request) -> dict[str, Any]:
        """The limit, and the reply's digest: an edited recording or expert must not be answered from the store."""
        whole = self._whole(request)
        digest = None if whole is None else hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()
        return {"max_output_tokens": request.max_output_tokens, "reply": digest}

    def _whole(self, request: Request) -> str | None:
        system, user = (_last(request, role) for role in ("system", "user"))
        return (self.trace if asks_for_strategy(system) else self.reply)(user, request.sample)


def _last(request: Request, role: str) -> str:
    return next((m["content"] for m in reversed(request.messages) if m.get("role") == role), "")
