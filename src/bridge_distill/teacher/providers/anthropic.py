"""Anthropic's Messages API, through the official SDK with its own retries off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question
from bridge_distill.teacher.providers import Answer, Request, Unknown, providers
from bridge_distill.teacher.providers._anthropic_batches import AnthropicBatches
from bridge_distill.teacher.providers._refusal import Refusal
from bridge_distill.teacher.providers._remote import Remote, sendable
from bridge_distill.teacher.providers._reply import Bounds, decoded, tokens

NEWEST_VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
_LAST_WITH_TEMPERATURE = (4, 6)
_GENERATION = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:[-.](\d{1,2}))?(?![\d])")
_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")


@providers.register("anthropic")
class Anthropic(Remote):
    """``teacher.base_url`` names the endpoint, with or without ``/v1``; the key's variable is ANTHROPIC_API_KEY.

    ``teacher.api_version`` is the newest by default, which knows no temperature; only ``2023-06-01`` sends one, to
    models up to generation 4.6. Models that think before they reply do so within ``teacher.max_output_tokens``.
    """

    vendor = "anthropic"
    default_url = "https://api.anthropic.com"
    key_variable = "ANTHROPIC_API_KEY"

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        super().__init__(teacher, questions)
        self.url = self.url.rstrip("/").removesuffix("/v1")
        self._version = teacher.api_version or NEWEST_VERSION
        if self._version not in (SAMPLING_VERSION, NEWEST_VERSION):
            known = nearest(self._version, (SAMPLING_VERSION, NEWEST_VERSION))
            raise UserError("teacher.api_version", f"unknown version {self._version!r}", known)
        self.takes_temperature = self._version == SAMPLING_VERSION and _may_take_temperature(self.model)
        self.batches = AnthropicBatches(self)
        self.batch_share = Decimal("0.5") if teacher.base_url is None else None

    def connect(self, key: str) -> Any:
        """The SDK's client; raises ``UserError`` where the SDK is not installed."""
        try:
            import anthropic
        except ImportError:
            cure = "run: pip install 'bridge-distill[anthropic]'"
            raise UserError("teacher.provider", "the package anthropic is not installed", cure) from None

        from bridge_distill.teacher import wire

        timeout = self._teacher.timeout
        return anthropic.AsyncAnthropic(
            api_key=key,
            base_url=self.url,
            max_retries=0,
            timeout=wire.timeouts(timeout),
            default_headers={"anthropic-version": self._version},
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(**wire.transport(self._teacher.concurrency, timeout)),
        )

    def decoding(self, request: Request) -> dict[str, Any]:
        """The API version beside what every provider sends."""
        return {**super().decoding(request), "api_version": self._version}

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON of one message; the system message stands apart from the others."""
        messages = sendable(request.messages)
        system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_output_tokens,
            "messages": [message for message in messages if message["role"] != "system"],
        }
        if system:
            body["system"] = system
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        return body

    async def ask(self, request: Request, tag: str) -> Answer:
        """One HTTP request; every failure is typed by whether it may have been billed."""
        body = self.body(request)
        # The SDK's own parameters no longer name it.
        extra = {"temperature": body.pop("temperature")} if "temperature" in body else None
        create = self.client.messages.with_raw_response.create
        raw = await self.call(lambda: create(**body, extra_body=extra))
        return self.read(decoded(await raw.read(), "a message"), self.bounds(request))

    def read(self, body: dict[str, Any], bounds: Bounds | None) -> Answer:
        """Read a message; raises ``Unknown`` for what is none, and without usage where no bounds are known."""
        usage, content, stop = body.get("usage"), body.get("content"), body.get("stop_reason")
        if not isinstance(content, list):
            raise Unknown("the reply is not a message")
        usage = usage if isinstance(usage, dict) else {}
        worst_input, worst_output = bounds or (None, None)
        cached = sum(tokens(usage.get(name) or 0, worst_input) for name in _CACHED)
        said = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        finish = _FINISH.get(stop, stop) if isinstance(stop, str) else "unknown"
        answer = Answer(
            "".join(said),
            finish,
            tokens(usage.get("input_tokens"), worst_input) + cached,
            tokens(usage.get("output_tokens"), worst_output),
            body.get("model", ""),
            body.get("id", ""),
        )
        return self.told(answer)

    def out_of_credit(self, refusal: Refusal) -> bool:
        """HTTP 402, or 400 with words about the balance."""
        poor = refusal.status == 400 and "credit balance" in refusal.message.lower()
        return super().out_of_credit(refusal) or poor


def _may_take_temperature(model: str) -> bool:
    """Whether a model may take a temperature: none released after Claude Opus 4.6 does; other vendors' models may."""
    if "claude" not in model:
        return True
    found = _GENERATION.search(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) <= _LAST_WITH_TEMPERATURE
