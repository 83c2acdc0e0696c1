"""Anthropic's shapes: messages, their batches, and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from bridge_distill.teacher.loopback.api import (
    Api,
    Asked,
    Body,
    Outcome,
    Problem,
    limit_of,
    messages_of,
    number_of,
    schema_of,
    text_of,
)
from bridge_distill.teacher.loopback.batches import Batch
from bridge_distill.teacher.providers import Answer, Request

VERSION = "anthropic-version"
_SAMPLING = {"2023-06-01": True, "2026-10-21": False}
"""API versions, and whether they take temperature, top_p and top_k."""
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class AnthropicApi(Api):
    """The API under ``/v1/messages``."""

    name: ClassVar[str] = "anthropic"
    prefix: ClassVar[str] = "msg_"

    def admit(self, headers: Mapping[str, str]) -> None:
        """Every call names a version that this server knows."""
        version = headers.get(VERSION)
        if version is None:
            raise Problem(400, f"{VERSION}: header is required")
        if version not in _SAMPLING:
            raise Problem(400, f"{VERSION}: {version[:40]!r} is not a valid version")

    def read(self, body: Any, headers: Mapping[str, str]) -> Asked:
        """Read a message's body; the newer version of the API refuses sampling settings."""
        if not isinstance(body, dict):
            raise Problem(400, "the body is not a message request")
        for name in ("model", "max_tokens", "messages"):
            if body.get(name) is None:
                raise Problem(400, f"{name}: Field required")
        for name in ("temperature", "top_p", "top_k"):
            if name in body and not _SAMPLING[headers[VERSION]]:
                raise Problem(400, f"{name}: Extra inputs are not permitted")
        if body.get("stream"):
            raise Problem(400, "stream: this server does not stream")
        metadata, output = body.get("metadata") or {}, body.get("output_config") or {}
        if not isinstance(metadata, dict) or not isinstance(output, dict):
            raise Problem(400, "metadata and output_config: Input should be an object")
        system = [{"role": "system", "content": text_of(body["system"])}] if body.get("system") else []
        messages = system + messages_of(body, {"user", "assistant"})
        limit, temperature = limit_of(body["max_tokens"], "max_tokens"), number_of(body, "temperature")
        request = Request(messages, limit, temperature, 0, schema_of(output.get("format")))
        return Asked(request, str(body["model"]), str(metadata.get("user_id") or ""))

    def completion(self, name: str, asked: Asked, answer: Answer, batch: bool) -> Body:
        """A message of one text block."""
        refused = answer.finish == "refusal"
        details = {"type": "refusal", "category": None, "explanation": None} if refused else None
        return {
            "id": name,
            "type": "message",
            "role": "assistant",
            "model": answer.model or asked.model,
            "content": [{"type": "text", "text": answer.text}],
            "stop_reason": _STOPS.get(answer.finish, answer.finish),
            "stop_sequence": None,
            "stop_details": details,
            "usage": {
                "input_tokens": answer.input_tokens,
                "output_tokens": answer.output_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "service_tier": "batch" if batch else "standard",
            },
        }

    def error(self, status: int, message: str, code: str = "") -> Body:
        """``{"type": "error", "error": {...}}``."""
        usual = _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        kind = code if code in _ERRORS.values() else usual
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": None}

    def line(self, custom_id: str, outcome: Outcome, status: int, body: Body) -> Body:
        """A line of a batch's results."""
        kind = "canceled" if outcome == "cancelled" else outcome
        inside = {"succeeded": {"message": body}, "errored": {"error": body}}.get(kind, {})
        return {"custom_id": custom_id, "result": {"type": kind, **inside}}

    def batch(self, batch: Batch, root_url: str) -> Body:
        """A message batch; its counts stay at ``processing`` until it has ended."""
        names: dict[Outcome, str] = {
            "succeeded": "succeeded",
            "errored": "errored",
            "expired": "expired",
            "cancelled": "canceled",
        }
        over = batch.ended is not None
        counts = {name: batch.counts[ours] if over else 0 for ours, name in names.items()}
        running = "in_progress" if batch.cancelling is None else "canceling"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if over else running,
            "request_counts": {"processing": 0 if over else len(batch.items), **counts},
            "created_at": _time(batch.created),
            "expires_at": _time(batch.created + timedelta(hours=24).total_seconds()),
            "ended_at": None if batch.ended is None else _time(batch.ended),
            "cancel_initiated_at": None if batch.cancelling is None else _time(batch.cancelling),
            "archived_at": None,
            "results_url": f"{root_url}/v1/messages/batches/{batch.id}/results" if over else None,
        }

    def models(self, model: str) -> Body:
        """``GET /v1/models``."""
        entry = {"type": "model", "id": model, "display_name": model, "created_at": _time(0), "lifecycle": "active"}
        return {"data": [entry], "has_more": False, "first_id": model, "last_id": model}


def batch_items(body: Any) -> list[tuple[str, Any]]:
    """The custom ids and bodies of a new batch; raises ``Problem`` where one is missing, malformed or double."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests or not all(isinstance(r, dict) for r in requests):
        raise Problem(400, "requests: Field required")
    seen: set[str] = set()
    for index, request in enumerate(requests):
        custom_id = request.get("custom_id")
        if not isinstance(custom_id, str) or not _CUSTOM_ID.fullmatch(custom_id):
            raise Problem(400, f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in seen:
            raise Problem(400, f"requests.{index}.custom_id: custom_id must be unique within a batch")
        seen.add(custom_id)
    return [(request["custom_id"], request.get("params")) for request in requests]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
