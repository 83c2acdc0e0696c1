"""An expert as an OpenAI-compatible server on loopback, so that demo and tests cross a real socket.

It bills what it answers and keeps its own books; a fault hook makes it misbehave like a real one.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question
from bridge_distill.teacher.chat import read_request, write_completion
from bridge_distill.teacher.faults import JSON, Fault, misbehave, send
from bridge_distill.teacher.providers import Answer, NotBilled, Request, providers
from bridge_distill.teacher.scripted import Scripted

AnswerFn = Callable[[Request], Answer]
MAX_BODY = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Billed:
    """One line of the server's books."""

    number: int
    question: str
    input_tokens: int
    output_tokens: int


FaultFn = Callable[[int, Request], Fault | None]


class Server:
    """A running server; closes with its ``with`` block. ``books`` lists what it billed, in order."""

    def __init__(
        self, answer: AnswerFn, host: str, port: int, key: str | None, model: str, fault: FaultFn | None
    ) -> None:
        self.answer, self.key, self.model, self.fault = answer, key, model, fault
        self.books: list[Billed] = []
        self.closing = threading.Event()
        self._lock, self._numbers = threading.Lock(), 0
        server = self

        class Bound(_Handler):
            owner = server

        self._http = _Http((host, port), Bound)
        self.base_url = f"http://{f'[{host}]' if ':' in host else host}:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Return when the server is closed, or raise at Ctrl-C."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening and end every hanging request."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def number(self) -> int:
        """The next request's number, from 0."""
        with self._lock:
            self._numbers += 1
            return self._numbers - 1

    def bill(self, number: int, request: Request, answer: Answer) -> None:
        """Write a line into the books."""
        line = Billed(number, request.messages[-1]["content"], answer.input_tokens, answer.output_tokens)
        with self._lock:
            self.books.append(line)


def serve(
    answer: AnswerFn,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    model: str = "expert",
    fault: FaultFn | None = None,
) -> Server:
    """Answer chat completions with ``answer`` until closed; port 0 takes a free one.

    With a ``key``, requests without it are refused. Raises ``UserError`` for a host that others can
    reach and for a port that is taken.
    """
    if not _is_loopback(host):
        raise UserError("--host", f"{host} can be reached by others", "use 127.0.0.1")
    try:
        return Server(answer, host, port, key, model, fault)
    except OSError as error:
        raise UserError(
            "--port", f"cannot listen on {host}:{port} ({error.strerror})", "choose another port"
        ) from error


def serve_expert(
    provider: str,
    questions: Sequence[Question],
    host: str = "127.0.0.1",
    port: int = 0,
    key_env: str | None = None,
    error_rate: float = 0.0,
) -> Server:
    """Serve a provider that is part of this program: ``replay`` of ``questions``, or ``expert``.

    ``key_env`` names the environment variable that holds the key to ask for, if any.
    """
    member = providers.get(provider, "--provider")
    if not issubclass(member, Scripted):
        known = [name for name in providers.names() if issubclass(providers.get(name, "--provider"), Scripted)]
        raise UserError("--provider", f"{provider!r} is not part of this program", nearest(provider, known))
    key = None if key_env is None else os.environ.get(key_env)
    if key_env is not None and not key:
        raise UserError("--key-env", f"{key_env} is not set", f"export {key_env}")
    expert = member(Teacher(provider=provider, error_rate=error_rate), questions)
    return serve(expert.answer, host, port, key, provider)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet."""

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if self.path.rstrip("/") == "/v1/models":
            self.send_json(200, {"object": "list", "data": [{"id": self.owner.model, "object": "model"}]})
        else:
            self.send_problem(404, "no such address")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self.send_problem(413, f"the request needs a length of at most {MAX_BODY} bytes")
            return
        body = self.rfile.read(int(length))
        if not self._allowed():
            return
        if self.path != "/v1/chat/completions":
            self.send_problem(404, "no such address")
            return
        try:
            request = read_request(body)
        except ValueError as error:
            self.send_problem(400, str(error))
            return
        self._complete(request)

    def _complete(self, request: Request) -> None:
        owner = self.owner
        number = owner.number()
        fault = owner.fault(number, request) if owner.fault else None
        try:
            answer = owner.answer(request)
        except NotBilled as failure:
            self.send_problem(400, failure.reason)
            return
        if fault is None or fault.billed:
            owner.bill(number, request, answer)
        completion = write_completion(owner.model, number, answer)
        if fault is None:
            self.send_json(200, completion)
        else:
            misbehave(self, fault, completion, owner.closing)

    def _allowed(self) -> bool:
        key = self.owner.key
        given = self.headers.get("Authorization") or ""
        if key is None or hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            return True
        self.send_problem(401, "wrong key")
        return False

    def send_problem(self, status: int, message: str) -> None:
        """Answer with an error in the shape that clients expect."""
        self.send_json(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def send_json(self, status: int, body: dict[str, Any]) -> None:
        """Answer with JSON."""
        send(self, status, json.dumps(body).encode(), JSON)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
