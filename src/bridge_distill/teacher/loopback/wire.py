"""The bytes of an answer: sent soundly, or as a fault says, one function each."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from bridge_distill.teacher.loopback.faults import Fault, text_start

JSON = "application/json"
ErrorFn = Callable[[int, str, str], dict[str, Any]]
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent, and what is to go wrong with it."""

    body: bytes
    status: int = 200
    kind: str = JSON
    fault: Fault | None = None


def as_json(body: Any, status: int = 200, fault: Fault | None = None) -> Reply:
    """A JSON answer."""
    return Reply(json.dumps(body).encode(), status, JSON, fault)


class Wire:
    """One call's way back; ``error`` writes an error in the shape of the API that was called."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: threading.Event, error: ErrorFn) -> None:
        self._handler, self._closing, self.error = handler, closing, error

    def deliver(self, reply: Reply) -> None:
        """Send an answer as its fault says."""
        fault = reply.fault
        if fault is not None and fault.kind in WIRE:
            WIRE[fault.kind](self, fault, reply)
        else:
            self.send(reply.body, reply.status, reply.kind, fault.headers if fault else {})

    def send(self, body: bytes, status: int, kind: str, headers: dict[str, str]) -> None:
        """Send a whole answer."""
        self.write(self.head(status, kind, {"Content-Length": str(len(body)), **headers}) + body)

    def head(self, status: int, kind: str, headers: dict[str, str]) -> bytes:
        """The lines before the body."""
        reason = self._handler.responses.get(status, ("Unknown",))[0]
        closing = {"Connection": "close"} if self._handler.close_connection else {}
        lines = [f"{name}: {value}\r\n" for name, value in {"Content-Type": kind, **closing, **headers}.items()]
        return f"HTTP/1.1 {status} {reason}\r\n{''.join(lines)}\r\n".encode("latin-1", "replace")

    def write(self, some: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(some)

    def wait(self, seconds: float) -> bool:
        """Wait; True where the server closes meanwhile."""
        return self._closing.wait(seconds)

    def reset(self) -> None:
        """Close so that the client sees a reset, not an orderly end."""
        self._handler.close_connection = True
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.connection.close()


def _status(wire: Wire, fault: Fault, reply: Reply) -> None:
    status = fault.status or 500
    body = json.dumps(wire.error(status, fault.message, fault.code)).encode()
    wire.send(body, status, JSON, fault.headers)


def _reset(wire: Wire, fault: Fault, reply: Reply) -> None:
    wire.reset()


def _hang(wire: Wire, fault: Fault, reply: Reply) -> None:
    wire.wait(fault.seconds)
    wire.reset()


def _drip(wire: Wire, fault: Fault, reply: Reply) -> None:
    """The whole answer, byte by byte over ``seconds``: no single read is ever late."""
    wire.write(wire.head(reply.status, reply.kind, {"Content-Length": str(len(reply.body)), **fault.headers}))
    for byte in reply.body:
        if wire.wait(fault.seconds / len(reply.body)):
            wire.reset()
            return
        wire.write(bytes([byte]))


def _garbage(wire: Wire, fault: Fault, reply: Reply) -> None:
    wire.send(reply.body[: len(reply.body) // 2], reply.status, reply.kind, fault.headers)


def _not_json(wire: Wire, fault: Fault, reply: Reply) -> None:
    wire.send(b"upstream connect error or disconnect", reply.status, JSON, fault.headers)


def _not_utf8(wire: Wire, fault: Fault, reply: Reply) -> None:
    start = text_start(reply.body)
    wire.send(reply.body[:start] + b"\xff\xfe\x80" + reply.body[start:], reply.status, reply.kind, fault.headers)


def _content_type(wire: Wire, fault: Fault, reply: Reply) -> None:
    wire.send(reply.body, reply.status, "text/plain", fault.headers)


def _html(wire: Wire, fault: Fault, reply: Reply) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>"
    wire.send(page, fault.status or 200, "text/html", fault.headers)


def _huge(wire: Wire, fault: Fault, reply: Reply) -> None:
    """The reply's text with ``megabytes`` in front, in chunks: its size is not known beforehand."""
    start = text_start(reply.body)
    wire.write(wire.head(reply.status, reply.kind, {"Transfer-Encoding": "chunked", **fault.headers}))
    if start:
        wire.write(_chunk(reply.body[:start]))
    padding = _chunk((b"word" if start else b"    ") * (_CHUNK // 4))
    for _ in range(fault.megabytes * 2**20 // _CHUNK):
        wire.write(padding)
    wire.write(_chunk(reply.body[start:]) + _chunk(b""))


def _chunk(some: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(some), some)


WIRE: dict[str, Callable[[Wire, Fault, Reply], None]] = {
    "status": _status,
    "reset": _reset,
    "hang": _hang,
    "drip": _drip,
    "garbage": _garbage,
    "not_json": _not_json,
    "not_utf8": _not_utf8,
    "content_type": _content_type,
    "html": _html,
    "huge": _huge,
}
