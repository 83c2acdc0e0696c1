"""A teacher on this machine: any model that the local models' loader reads, asked without a network."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bridge_distill.config import Compute, Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.providers import Answer, NotBilled, Provider, Request, providers
from bridge_distill.teacher.providers._reply import clean

if TYPE_CHECKING:
    from bridge_distill.models.engines.transformers import Transformers
    from bridge_distill.models.generator import Generation

_GATHER_SECONDS = 0.01
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request with its prompt's token count, and where its reply is waited for."""

    request: Request
    prompt_tokens: int
    reply: asyncio.Future[Answer]


@providers.register("local")
class Local(Provider):
    """``teacher.model`` is an embedded base, a model folder or a hub id; nothing is billed, tokens are exact.

    Requests that wait together are written together, so ``teacher.concurrency`` is the batch to aim at.
    """

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        from bridge_distill.models.bases import check_base

        if not teacher.model:
            raise UserError("teacher.model", "is not set", "name an embedded base, a model folder or a hub id")
        check_base(teacher.model, "teacher.model")
        self.family, self.model = teacher.provider, teacher.model
        self._compute = Compute()
        self._generator: Transformers | None = None
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Load the model; raises ``UserError`` where it cannot be read."""
        from bridge_distill.models.engines.transformers import Transformers
        from bridge_distill.models.load import load

        model = await asyncio.to_thread(load, self.model, self._compute, "teacher.model")
        self._generator = Transformers(model, self._compute.batch_tokens)

    async def close(self) -> None:
        """Let go of the model, once what is being written is written."""
        if self._worker is not None:
            await self._worker
        self._generator = self._worker = None

    def decoding(self, request: Request) -> dict[str, Any]:
        """The limit, the temperature and the model's digest: another model under the same name is another teacher."""
        return {
            "max_output_tokens": request.max_output_tokens,
            "temperature": request.temperature,
            "base": self._digest,
        }

    async def ask(self, request: Request, tag: str) -> Answer:
        """Write one reply, together with those that wait; raises ``NotBilled`` where the prompt leaves no room."""
        model = self._opened().model
        prompt = len(model.prompt_ids(_prompt(request)))
        room = getattr(model.network.config, "max_position_embeddings", None)
        if room is not None and prompt + request.max_output_tokens > room:
            raise NotBilled(f"the prompt's {prompt} tokens and the reply's do not fit into {room}", sent=False)
        reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(request, prompt, reply))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await reply

    @cached_property
    def _digest(self) -> str:
        from bridge_distill.models.bases import base_digest

        return base_digest(self.model, "teacher.model")

    def _opened(self) -> Transformers:
        assert self._generator is not None, "open() comes first"
        return self._generator

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER_SECONDS)
            batch = self._take()
            if not batch:
                continue
            try:
                written = await asyncio.to_thread(self._write, [waiting.request for waiting in batch])
            except Exception as error:
                self._fail(batch, f"the local model failed ({type(error).__name__}: {error})"[:_LONGEST_REASON])
            else:
                self._tell(batch, written)

    def _take(self) -> list[_Waiting]:
        """The first request and those that are written alike, up to the token budget; cancelled ones fall away."""
        waiting = [one for one in self._waiting if not one.reply.done()]
        batch: list[_Waiting] = []
        left = self._compute.batch_tokens
        for one in waiting:
            left -= one.prompt_tokens + one.request.max_output_tokens
            if batch and (left < 0 or _kind(one.request) != _kind(batch[0].request)):
                break
            batch.append(one)
        self._waiting = waiting[len(batch) :]
        return batch

    def _write(self, requests: Sequence[Request]) -> list[Generation]:
        from bridge_distill.models.generator import Asked, Decoding

        limit, temperature = _kind(requests[0])
        asked = [Asked(_prompt(request)) for request in requests]
        written = self._opened().write(asked, Decoding(limit, temperature), _seed(requests))
        return [one for [one] in written]

    def _tell(self, batch: Sequence[_Waiting], written: Sequence[Generation]) -> None:
        for waiting, one in zip(batch, written, strict=True):
            if not waiting.reply.done():
                finish = "stop" if one.finished else "length"
                waiting.reply.set_result(Answer(one.text, finish, waiting.prompt_tokens, one.tokens, self.model))

    def _fail(self, batch: Sequence[_Waiting], reason: str) -> None:
        for waiting in batch:
            if not waiting.reply.done():
                waiting.reply.set_exception(NotBilled(reason, sent=False))


def _prompt(request: Request) -> str:
    # One user's message: not every chat template knows a system message.
    return "\n\n".join(clean(message["content"]) for message in reversed(request.messages))


def _kind(request: Request) -> tuple[int, float]:
    return request.max_output_tokens, request.temperature or 0.0


def _seed(requests: Sequence[Request]) -> int:
    """A seed that follows from what is asked, so that another sample is another draw."""
    asked = json.dumps([[request.messages, request.sample] for request in requests])
    return int.from_bytes(hashlib.sha256(asked.encode()).digest()[:4], "big")
