"""Any OpenAI-compatible chat endpoint, through the official SDK with its own retries off."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.providers import Answer, Failure, Fatal, NotBilled, Provider, Request, Unknown, providers

if TYPE_CHECKING:
    import openai

DEFAULT_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
_PLAUSIBLE_TOKENS = 10**9


@providers.register("openai")
class OpenAI(Provider):
    """``teacher.base_url`` names the endpoint; the key is ``teacher.api_key``, else the variable OPENAI_API_KEY."""

    vendor = "openai"

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        if not teacher.model:
            raise UserError("teacher.model", "is not set", "name a model of the endpoint")
        self.family, self.model = "openai", teacher.model
        self._url = teacher.base_url or DEFAULT_URL
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError("teacher.base_url", "is not an http or https URL", f"write one such as {DEFAULT_URL}")
        self._host = parts.hostname
        # OpenAI's newer models refuse max_tokens; most compatible servers know nothing else.
        self._limit = "max_completion_tokens" if teacher.base_url is None else "max_tokens"
        self._key, self._timeout = (teacher.api_key.get_secret_value() if teacher.api_key else ""), teacher.timeout
        self._client: openai.AsyncOpenAI | None = None

    async def open(self) -> None:
        """Find the key and build the client; raises ``UserError`` without a usable key."""
        import openai

        self._key = self._key or os.environ.get(KEY_VARIABLE, "")
        if not self._key:
            raise UserError("teacher.api_key", f"no key, and {KEY_VARIABLE} is not set", f"export {KEY_VARIABLE}")
        if not re.fullmatch(r"[!-~]+", self._key):
            cure = "copy the key again, without spaces or line ends"
            raise UserError("teacher.api_key", "the key holds characters that no key has", cure)
        self._client = openai.AsyncOpenAI(api_key=self._key, base_url=self._url, max_retries=0, timeout=self._timeout)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    def decoding(self, request: Request) -> dict[str, Any]:
        """Temperature and the limit on output tokens."""
        return {"max_output_tokens": request.max_output_tokens, "temperature": request.temperature}

    async def ask(self, request: Request) -> Answer:
        """One HTTP request; every failure is typed by whether it may have been billed."""
        import openai

        assert self._client is not None, "open() comes first"
        body: dict[str, Any] = {self._limit: request.max_output_tokens, "temperature": request.temperature}
        if request.sample:
            body["seed"] = request.sample
        try:
            # Read raw: the SDK hands an HTML page or a half-written reply on as if it were one.
            raw = await self._client.chat.completions.with_raw_response.create(
                model=self.model, messages=cast(Any, request.messages), **body
            )
            content = raw.content
        except openai.APIStatusError as error:
            failure = self._status_failure(error)
        except openai.OpenAIError as error:
            failure = self._connection_failure(error)
        else:
            return _read(content, self.worst_input_tokens(request.messages), request.max_output_tokens)
        # Not chained: the SDK's exceptions hold the request's headers, and so the key.
        raise failure from None

    def _status_failure(self, error: openai.APIStatusError) -> Failure:
        status = error.status_code
        code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
        if status == 401 or status == 403:
            cure = "check the key and its rights"
            return Fatal(UserError("teacher.api_key", f"{self._host} refused the key (HTTP {status})", cure))
        if status == 402 or code == "insufficient_quota":
            return Fatal(UserError("teacher.api_key", f"{self._host} says that the account has no credit", "top it up"))
        if status == 404:
            problem = f"{self._host} knows no model {self.model!r} at this address (HTTP 404)"
            cure = "check teacher.model, and teacher.base_url, which often ends in /v1"
            return Fatal(UserError("teacher.model" if code else "teacher.base_url", problem, cure))
        wait = _seconds(error.response.headers.get("retry-after"))
        if status == 429:
            return NotBilled("rate limit (HTTP 429)", retry=True, wait=wait)
        if status >= 500 or status in (408, 409):
            return Unknown(f"server error (HTTP {status})", wait=wait)
        return NotBilled(f"refused (HTTP {status}): {self._said(error)}")

    def _connection_failure(self, error: openai.OpenAIError) -> Failure:
        import httpx2

        cause = error.__cause__
        if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)):
            return NotBilled(f"no connection to {self._host}", retry=True, sent=False)
        name = type(error if cause is None else cause).__name__
        return Unknown(f"connection lost after sending ({name})")

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body if isinstance(error.body, dict) else {}
        said = str(body.get("message") or "no reason given")
        return " ".join(said.replace(self._key, "[key]").split())[:300]


def _read(content: bytes, worst_input: int, worst_output: int) -> Answer:
    """Read a reply; where its usage is missing or absurd, the bounds stand in, so that nothing is undercharged."""
    try:
        body = json.loads(content.decode("utf-8", "replace"))
        choices = body["choices"]
        usage = body.get("usage")
        first: Any = choices[0] if choices else {"message": {}, "finish_reason": "empty"}
        said, finish = first["message"].get("content"), first.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Unknown("the reply is not a chat completion") from None
    usage = usage if isinstance(usage, dict) else {}
    text = (said if isinstance(said, str) else "").encode("utf-8", "replace").decode("utf-8")
    return Answer(
        text,
        str(finish or "unknown"),
        _tokens(usage.get("prompt_tokens"), worst_input),
        _tokens(usage.get("completion_tokens"), worst_output),
    )


def _tokens(reported: object, bound: int) -> int:
    plausible = isinstance(reported, int) and not isinstance(reported, bool) and 0 <= reported <= _PLAUSIBLE_TOKENS
    return reported if plausible and isinstance(reported, int) else bound


def _seconds(header: str | None) -> float | None:
    with contextlib.suppress(ValueError, TypeError):
        seconds = float(header or "")
        return seconds if 0 <= seconds < 3600 else None
    return None
