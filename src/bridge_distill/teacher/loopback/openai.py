"""OpenAI's shapes: chat completions, their batches, and errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
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
)
from bridge_distill.teacher.loopback.batches import Batch
from bridge_distill.teacher.providers import Answer, Request

DEFAULT_MAX_TOKENS = 1024
BATCH_SECONDS = 24 * 60 * 60
_ROLES = {"system", "developer", "user", "assistant"}
_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_LEFT = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
}


class OpenAIApi(Api):
    """The API under ``/v1`` that most servers imitate."""

    name: ClassVar[str] = "openai"
    prefix: ClassVar[str] = "chatcmpl-"

    def read(self, body: Any, headers: Mapping[str, str]) -> Asked:
        """Read a chat completion's body."""
        if not isinstance(body, dict):
            raise Problem(400, "the body is not a chat completion request")
        if body.get("stream") or body.get("n") not in (None, 1):
            raise Problem(400, "this server neither streams nor gives several choices")
        limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
        request = Request(
            messages_of(body, _ROLES),
            limit_of(limits[0] if limits else DEFAULT_MAX_TOKENS, "max_tokens"),
            number_of(body, "temperature"),
            int(number_of(body, "seed") or 0),
            _schema(body.get("response_format")),
        )
        metadata = metadata_of(body)
        return Asked(request, _model(body), metadata.get("tag", ""), metadata, body.get("store") is True)

    def completion(self, name: str, asked: Asked, answer: Answer, batch: bool) -> Body:
        """A chat completion of one choice; a refusal stands in the message's own field."""
        refused = answer.finish == "refusal"
        message = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": answer.text if refused else None,
        }
        finish = "stop" if refused else answer.finish
        return {
            "id": name,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": answer.model or asked.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": answer.input_tokens,
                "completion_tokens": answer.output_tokens,
                "total_tokens": answer.input_tokens + answer.output_tokens,
            },
        }

    def error(self, status: int, message: str, code: str = "") -> Body:
        """``{"error": {...}}``."""
        kind, usual = _ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        return {"error": {"message": message, "type": kind, "param": None, "code": code or usual}}

    def line(self, custom_id: str, outcome: Outcome, status: int, body: Body) -> Body:
        """A line of a batch's output or error file."""
        name = f"batch_req_{custom_id}"
        if outcome in _LEFT:
            code, message = _LEFT[outcome]
            error = {"code": code, "message": message}
            return {"id": name, "custom_id": custom_id, "response": None, "error": error}
        response = {"status_code": status, "request_id": f"req_{custom_id}", "body": body}
        return {"id": name, "custom_id": custom_id, "response": response, "error": None}

    def batch(self, batch: Batch, root_url: str) -> Body:
        """A batch object."""
        done, failed = batch.counts["succeeded"], batch.counts["errored"]
        problems = [
            {"code": "invalid_request", "message": text, "param": None, "line": n} for n, text in batch.problems
        ]
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": {"object": "list", "data": problems} if batch.status == "failed" else None,
            "input_file_id": batch.input_file,
            "completion_window": "24h",
            "status": batch.status,
            "output_file_id": batch.output_file,
            "error_file_id": batch.error_file,
            "created_at": int(batch.created),
            "expires_at": int(batch.created) + BATCH_SECONDS,
            "cancelling_at": None if batch.cancelling is None else int(batch.cancelling),
            **{f"{end}_at": _at(batch, end) for end in ("completed", "failed", "expired", "cancelled")},
            "request_counts": {"total": len(batch.items), "completed": done, "failed": failed},
            "metadata": dict(batch.metadata),
            "model": batch.model,
            "usage": _usage(batch),
        }

    def models(self, model: str) -> Body:
        """``GET /v1/models``."""
        return {"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": "loopback"}]}


def metadata_of(body: Body) -> dict[str, str]:
    """The metadata of a completion or batch; raises ``Problem`` where it breaks the API's limits."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or len(metadata) > 16:
        raise Problem(400, "metadata must be an object of at most 16 pairs")
    for key, value in metadata.items():
        if not isinstance(value, str) or len(key) > 64 or len(value) > 512:
            raise Problem(400, f"metadata.{key[:64]} must be text of at most 512 characters")
    return metadata


def _schema(format: Any) -> Body | None:
    if not isinstance(format, dict) or format.get("type") != "json_schema":
        return schema_of(None if format in (None, {"type": "text"}) else format)
    inner = format.get("json_schema")
    return schema_of({**inner, "type": "json_schema"} if isinstance(inner, dict) else {})


def _model(body: Body) -> str:
    model = body.get("model")
    return model if isinstance(model, str) else "unnamed"


def _at(batch: Batch, end: str) -> int | None:
    return int(batch.ended) if batch.ended is not None and batch.status == end else None


def _usage(batch: Batch) -> Body | None:
    if batch.ended is None:
        return None
    return {
        "input_tokens": batch.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": batch.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": batch.input_tokens + batch.output_tokens,
    }
