"""Any OpenAI-compatible chat endpoint, through the official SDK with its own retries off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from bridge_distill.config import Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.providers import Answer, Failure, Request, Unknown, providers
from bridge_distill.teacher.providers._openai_batches import OpenAIBatches
from bridge_distill.teacher.providers._refusal import Refusal
from bridge_distill.teacher.providers._remote import Remote, sendable
from bridge_distill.teacher.providers._reply import Bounds, decoded, tokens

_WITHOUT_TEMPERATURE = re.compile(r"(?:.*/)?(?:o\d+(?:-|$)|gpt-(?:[5-9]|\d\d)(?:[.-]|$))")
_MOST_STORED = 100


@providers.register("openai")
class OpenAI(Remote):
    """``teacher.base_url`` names the endpoint; the key's variable is OPENAI_API_KEY by default."""

    vendor = "openai"
    default_url = "https://api.openai.com/v1"
    key_variable = "OPENAI_API_KEY"

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        super().__init__(teacher, questions)
        own = teacher.base_url is None
        # OpenAI's newer models refuse max_tokens; most compatible servers know nothing else.
        self._limit = "max_completion_tokens" if own else "max_tokens"
        self.takes_temperature = _WITHOUT_TEMPERATURE.match(self.model) is None
        self.batches = OpenAIBatches(self)
        self.batch_share = Decimal("0.5") if own else None

    def connect(self, key: str) -> Any:
        """The SDK's client."""
        import openai

        from bridge_distill.teacher import wire

        timeout = self._teacher.timeout
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=self.url,
            max_retries=0,
            timeout=wire.timeouts(timeout),
            http_client=openai.DefaultAsyncHttpxClient(**wire.transport(self._teacher.concurrency, timeout)),
        )

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of one chat completion."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": sendable(request.messages),
            self._limit: request.max_output_tokens,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.sample:
            body["seed"] = request.sample
        if request.schema is not None:
            schema = {"name": "rationale", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    async def ask(self, request: Request, tag: str) -> Answer:
        """One HTTP request; every failure is typed by whether it may have been billed."""
        import httpx2

        body = self.body(request)
        if self._teacher.keep_at_provider:
            body.update(store=True, metadata={"tag": tag})
        # Read raw: the SDK hands an HTML page or a half-written reply on as if it were one. Posted directly:
        # the typed method spends a fifth of the time on copying a body that is plain JSON already.
        raw = await self.call(lambda: self.client.post("/chat/completions", body=body, cast_to=httpx2.Response))
        return self.read(decoded(raw.content, "a chat completion"), self.bounds(request))

    async def recover(self, tag: str, since: datetime) -> Answer | None:
        """The stored completion of a tag; None where replies are not kept, or there is none yet."""
        if not self._teacher.keep_at_provider:
            return None
        listing = self.client.chat.completions.with_raw_response.list
        try:
            raw = await self.call(lambda: listing(metadata={"tag": tag}, limit=_MOST_STORED))
            stored = decoded(raw.content, "a list of completions").get("data")
            # Matched here too: a server may know no filter.
            found = [body for body in stored or [] if body["metadata"]["tag"] == tag]
            return self.read(found[0], None) if found else None
        except (Failure, LookupError, TypeError):
            return None

    def read(self, body: dict[str, Any], bounds: Bounds | None) -> Answer:
        """Read a chat completion; raises ``Unknown`` for what is none, and without usage where no bounds are known."""
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        worst_input, worst_output = bounds or (None, None)
        try:
            choices = body["choices"]
            first: Any = choices[0] if choices else {"message": {}, "finish_reason": "empty"}
            text, finish = _said(first["message"], first.get("finish_reason"))
        except (LookupError, TypeError, AttributeError):
            raise Unknown("the reply is not a chat completion") from None
        answer = Answer(
            text,
            finish,
            tokens(usage.get("prompt_tokens"), worst_input),
            tokens(usage.get("completion_tokens"), worst_output),
            body.get("model", ""),
            body.get("id", ""),
        )
        return self.told(answer)

    def out_of_credit(self, refusal: Refusal) -> bool:
        """HTTP 402, or a rate limit that no waiting ends."""
        return super().out_of_credit(refusal) or refusal.code == "insufficient_quota"


def _said(message: dict[str, Any], finish: object) -> tuple[str, str]:
    """Text and finish reason of a choice; some servers send the text in parts."""
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if isinstance(part.get("text"), str))
    if isinstance(refusal, str) and refusal:
        return content or refusal, "refusal"
    return content or "", finish if isinstance(finish, str) and finish else "unknown"
