"""What the providers behind a vendor's SDK share: key, address, connections, and failures typed by who pays."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.providers import (
    MESSAGE_OVERHEAD,
    Answer,
    Failure,
    Fatal,
    NotBilled,
    Provider,
    Request,
    Unknown,
)
from bridge_distill.teacher.providers._address import host_of
from bridge_distill.teacher.providers._count import Counter
from bridge_distill.teacher.providers._key import find_key, hide, key_place
from bridge_distill.teacher.providers._refusal import Refusal, read_refusal, shortened
from bridge_distill.teacher.providers._reply import Bounds, clean, printable

T = TypeVar("T")
# What a provider may add to the prompt to explain a schema, beside the schema itself.
SCHEMA_OVERHEAD = 1024
# Looking for a batch takes several requests, each of which has its own time limit.
_LONGEST_LOOK = 5
_LONGEST_LABEL = 200
_LONGEST_LINE = 8 * 1024 * 1024


class Remote(Provider):
    """A provider that is asked over HTTP through the vendor's own SDK, with the SDK's retries off."""

    structured = True
    default_url: ClassVar[str]
    key_variable: ClassVar[str]

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        if not teacher.model:
            raise UserError("teacher.model", "is not set", "name a model of the endpoint")
        self.family, self.model = teacher.provider, teacher.model
        self.url = teacher.base_url or self.default_url
        self.host = host_of(self.url, self.default_url)
        self._teacher, self._key, self._sdk = teacher, "", None
        self._counter = Counter(teacher.tokenizer) if teacher.tokenizer else None

    @abstractmethod
    def connect(self, key: str) -> Any:
        """The SDK's asynchronous client; raises ``UserError`` where the SDK is not installed."""

    @property
    def client(self) -> Any:
        """The SDK's client; only between ``open`` and ``close``."""
        assert self._sdk is not None, "open() comes first"
        return self._sdk

    async def open(self) -> None:
        """Find the key and build the client; raises ``UserError`` without a usable key."""
        self._key = await asyncio.to_thread(find_key, self._teacher, self.key_variable)
        self._sdk = self.connect(self._key)

    async def close(self) -> None:
        """Close the connections."""
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    def worst_input_tokens(self, messages: Sequence[dict[str, str]]) -> int:
        """The bound of ``Provider``, or an exact count with ``teacher.tokenizer``, plus what a schema adds."""
        schema = SCHEMA_OVERHEAD if self._teacher.structured else 0
        if self._counter is None:
            return super().worst_input_tokens(messages) + schema
        count = self._counter
        return MESSAGE_OVERHEAD + sum(count(m["content"]) + MESSAGE_OVERHEAD for m in messages) + schema

    async def ask_about(self, make: Callable[[], Awaitable[T]], missing: UserError) -> T:
        """``call``, for a question about batches, which costs nothing and is soon answered."""
        return await self.call(make, missing, _LONGEST_LOOK * self._teacher.timeout)

    @property
    def poll_seconds(self) -> float:
        """How often a batch is asked about."""
        return self._teacher.poll_seconds

    def bounds(self, request: Request) -> Bounds:
        """The most that one request can be billed for."""
        return Bounds(self.worst_input_tokens(request.messages), request.max_output_tokens)

    def decoding(self, request: Request) -> dict[str, Any]:
        """The limit on output tokens, the temperature (None: not sent), and the digest of a schema that is sent."""
        sent: dict[str, Any] = {"max_output_tokens": request.max_output_tokens, "temperature": request.temperature}
        if request.schema is not None:
            sent["schema"] = hashlib.sha256(json.dumps(request.schema, sort_keys=True).encode()).hexdigest()
        return sent

    async def call(
        self, make: Callable[[], Awaitable[T]], missing: UserError | None = None, seconds: float | None = None
    ) -> T:
        """What a call to the SDK returns; every way in which it can fail becomes a ``Failure``.

        ``missing`` is what to tell the user where there is nothing at the address called; ``seconds`` is
        how long the call may take as a whole.
        """
        try:
            async with asyncio.timeout(seconds):
                return await make()
        except Exception as error:
            failure = self._typed(error, missing)
        # Not chained: the SDKs' exceptions hold the request's headers, and so the key.
        raise failure from None

    async def lines(
        self, opening: Callable[[], AbstractAsyncContextManager[AsyncIterator[bytes]]], missing: UserError
    ) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a file, line by line as it arrives; none where there is no file any more.

        A line that is no JSON object is left out.
        """
        try:
            async with opening() as chunks:
                async for line in _split(chunks):
                    found = _json_object(line)
                    if found is not None:
                        yield found
            return
        except Exception as error:
            failure = self._typed(error, missing)
        if not isinstance(failure, Fatal) or failure.error is not missing:
            raise failure from None

    def hide(self, text: str) -> str:
        """The text without the key."""
        return hide(text, self._key)

    def told(self, answer: Answer) -> Answer:
        """An answer as it may be written down: clean and without the key."""
        finish, model, name = (self._label(word) for word in (answer.finish, answer.model, answer.id))
        return replace(answer, text=self.hide(clean(answer.text)), finish=finish, model=model, id=name)

    def refused(self, refusal: Refusal, missing: UserError | None = None) -> Failure:
        """The failure that an HTTP status means, by whether it may have been billed."""
        status, host, place = refusal.status, self.host, key_place(self._teacher)
        if 300 <= status < 400:
            problem = f"{host} sends requests on to another address (HTTP {status}), which is not followed"
            return Fatal(UserError("teacher.base_url", problem, "write the final address"))
        if status in (401, 403):
            return Fatal(UserError(place, f"{host} refused the key (HTTP {status})", "check the key and its rights"))
        if self.out_of_credit(refusal):
            return Fatal(UserError(place, f"{host} says that the account has no credit", "top it up"))
        if status in (404, 405) and missing is not None:
            return Fatal(missing)
        if status == 404:
            problem = f"{host} knows no model {self.model!r} at this address (HTTP 404)"
            place = "teacher.model" if refusal.code else "teacher.base_url"
            cure = f"check teacher.model, and teacher.base_url, which may have to end like {self.default_url}"
            return Fatal(UserError(place, problem, cure))
        return self._of_one_request(refusal)

    def out_of_credit(self, refusal: Refusal) -> bool:
        """Whether the account cannot pay."""
        return refusal.status == 402

    def _label(self, name: object) -> str:
        # Cut last: a part of the key is a secret too.
        return self.hide(printable(name))[:_LONGEST_LABEL]

    def _of_one_request(self, refusal: Refusal) -> Failure:
        status, wait, sent = refusal.status, refusal.wait, self._teacher
        if sent.temperature is not None and refusal.rejects("temperature"):
            problem = f"{self.model!r} at {self.host} does not take it"
            return Fatal(UserError("teacher.temperature", problem, "set teacher.temperature: null"))
        if sent.structured and (refusal.rejects("response_format") or refusal.rejects("output_config")):
            problem = f"{self.model!r} at {self.host} takes no schema"
            return Fatal(UserError("teacher.structured", problem, "set teacher.structured: false"))
        if status == 429:
            return NotBilled("rate limit (HTTP 429)", retry=True, wait=wait)
        if status >= 500 or status in (408, 409):
            return Unknown(f"server error (HTTP {status})", wait=wait)
        return NotBilled(f"refused (HTTP {status}): {shortened(self.hide(refusal.message))}")

    def _typed(self, error: Exception, missing: UserError | None) -> Failure:
        import httpx2

        cause = error.__cause__
        for found in (error, cause):
            if isinstance(found, Failure):
                return found
        response = getattr(error, "response", None)
        if isinstance(response, httpx2.Response) and not response.is_success:
            return self.refused(read_refusal(response.status_code, response.headers, response.content), missing)
        if _of_a_certificate(error):
            problem = f"the certificate of {self.host} cannot be verified"
            return Fatal(UserError("teacher.base_url", problem, "check the address, or install the certificate"))
        not_sent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
        if isinstance(cause, not_sent):
            return NotBilled(f"no connection to {self.host}", retry=True, sent=False)
        lost = cause is not None or isinstance(error, (OSError, httpx2.HTTPError))
        name = type(error if cause is None else cause).__name__
        return Unknown(f"{'connection lost after sending' if lost else 'the reply cannot be read'} ({name})")


def sendable(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Messages that can be sent as UTF-8."""
    return [{"role": message["role"], "content": clean(message["content"])} for message in messages]


async def _split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines by ``\\n`` alone (a JSON string may hold every other separator); one that is too long is left out."""
    line, skipping = bytearray(), False
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            if not skipping:
                yield bytes(line + part)
            line, skipping = bytearray(), False
        line += rest
        if len(line) > _LONGEST_LINE:
            line, skipping = bytearray(), True
    if line and not skipping:
        yield bytes(line)


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_a_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
