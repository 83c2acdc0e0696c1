"""The chat-completions format, read and written by the loopback server."""

from __future__ import annotations

import json
from typing import Any

from bridge_distill.teacher.providers import Answer, Request

DEFAULT_MAX_TOKENS = 1024


def read_request(body: bytes) -> Request:
    """Read a chat completion's body; raises ``ValueError`` with what is wrong with it."""
    try:
        asked = json.loads(body)
        messages = [{"role": str(m["role"]), "content": m["content"]} for m in asked["messages"]]
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or DEFAULT_MAX_TOKENS
        request = Request(messages, int(limit), float(asked.get("temperature") or 0), int(asked.get("seed") or 0))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError("the body is not a chat completion request") from None
    if not messages or not all(isinstance(message["content"], str) for message in messages):
        raise ValueError("messages must hold at least one, each with text as its content")
    if asked.get("stream") or asked.get("n") not in (None, 1):
        raise ValueError("this server neither streams nor gives several choices")
    if request.max_output_tokens < 1:
        raise ValueError("max_tokens must be at least 1")
    return request


def write_completion(model: str, number: int, answer: Answer) -> dict[str, Any]:
    """The body of a sound answer."""
    message = {"role": "assistant", "content": answer.text}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish}],
        "usage": {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }
