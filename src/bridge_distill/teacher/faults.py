"""Ways in which the loopback server can misbehave, one function each."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

JSON = "application/json"
Kind = Literal["status", "reset", "hang", "garbage", "html", "empty_choices", "no_usage"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request; ``billed`` says whether the work was done before that.

    ``seconds`` is how long a ``hang`` lasts; it ends early when the server closes.
    """

    kind: Kind
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    billed: bool = False
    seconds: float = 60.0


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
) -> None:
    """Answer with any body."""
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def misbehave(
    handler: BaseHTTPRequestHandler, fault: Fault, completion: dict[str, Any], closing: threading.Event
) -> None:
    """Answer a request as ``fault`` says; ``completion`` is what a sound answer would have been."""
    if fault.kind == "reset":
        _reset(handler)
    elif fault.kind == "hang":
        closing.wait(fault.seconds)
        _reset(handler)
    else:
        status, body, kind = _WRONG[fault.kind](fault, completion)
        send(handler, status, body, kind, fault.headers)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Close so that the client sees a reset, not an orderly end."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _status(fault: Fault, completion: dict[str, Any]) -> tuple[int, bytes, str]:
    body = {"error": {"message": "planned fault", "type": "server_error"}}
    return fault.status, json.dumps(body).encode(), JSON


def _garbage(fault: Fault, completion: dict[str, Any]) -> tuple[int, bytes, str]:
    whole = json.dumps(completion).encode()
    return 200, whole[: len(whole) // 2], JSON


def _html(fault: Fault, completion: dict[str, Any]) -> tuple[int, bytes, str]:
    return 200, b"<html><body>Bad gateway</body></html>", "text/html"


def _empty_choices(fault: Fault, completion: dict[str, Any]) -> tuple[int, bytes, str]:
    return 200, json.dumps({**completion, "choices": []}).encode(), JSON


def _no_usage(fault: Fault, completion: dict[str, Any]) -> tuple[int, bytes, str]:
    return 200, json.dumps({key: value for key, value in completion.items() if key != "usage"}).encode(), JSON


_WRONG: dict[str, Callable[[Fault, dict[str, Any]], tuple[int, bytes, str]]] = {
    "status": _status,
    "garbage": _garbage,
    "html": _html,
    "empty_choices": _empty_choices,
    "no_usage": _no_usage,
}
