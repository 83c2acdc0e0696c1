"""The loopback server: sockets, keys, latency, and the order in which a call is dealt with.

Demo and tests cross a real socket. One thread serves one connection.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question
from bridge_distill.teacher.loopback.anthropic import VERSION
from bridge_distill.teacher.loopback.api import Api, Problem
from bridge_distill.teacher.loopback.office import AnswerFn, Billed, CallFaultFn, FaultFn, Office
from bridge_distill.teacher.loopback.routes import ANTHROPIC, OPENAI, Call, Route, find
from bridge_distill.teacher.loopback.script import read_script
from bridge_distill.teacher.loopback.wire import WIRE, Reply, Wire, as_json
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.scripted import Scripted

MAX_BODY = 4 * 1024 * 1024
MAX_BATCH = 256 * 1024 * 1024
_LARGE = ("upload", "batch")
_GRACE = 5.0


class Server:
    """A running server; closes with its ``with`` block. ``books`` lists what it billed, in order.

    ``base_url`` is what OpenAI's client takes, ``root_url`` what Anthropic's does.
    """

    def __init__(self, office: Office, host: str, port: int, key: str | None, latency: float) -> None:
        self.office, self.key, self.latency = office, key, latency
        self.closing = threading.Event()
        server = self

        class Bound(_Handler):
            owner = server

        self._http = _Http((host, port), Bound)
        self.root_url = f"http://{f'[{host}]' if ':' in host else host}:{self._http.server_address[1]}"
        self.base_url = f"{self.root_url}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def books(self) -> list[Billed]:
        """What was billed."""
        return self.office.books

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self) -> None:
        """Return when the server is closed, or raise at Ctrl-C."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening, end every hanging request and connection; the books are final then."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()


def serve(
    answer: AnswerFn,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    model: str = "expert",
    fault: FaultFn | None = None,
    calls: CallFaultFn | None = None,
    latency: float = 0.0,
) -> Server:
    """Answer as OpenAI and Anthropic do, with ``answer``, until closed; port 0 takes a free one.

    With a ``key``, requests without it are refused. ``fault`` says what goes wrong with each question,
    alone or in a batch (number, request), ``calls`` what goes wrong with each other call (number of its
    kind, kind); ``latency`` is in seconds. Raises ``UserError`` for a host that others can reach and for
    a port that is taken.
    """
    if not _is_loopback(host):
        raise UserError("--host", f"{host} can be reached by others", "use 127.0.0.1")
    try:
        return Server(Office(answer, model, fault, calls), host, port, key, latency)
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
    faults: Path | None = None,
    latency: float = 0.0,
) -> Server:
    """Serve a provider that is part of this program: ``replay`` of ``questions``, or ``expert``.

    ``key_env`` names the environment variable that holds the key to ask for, if any; ``faults`` is a
    script of what goes wrong.
    """
    member = providers.get(provider, "--provider")
    if not issubclass(member, Scripted):
        known = [name for name in providers.names() if issubclass(providers.get(name, "--provider"), Scripted)]
        raise UserError("--provider", f"{provider!r} is not part of this program", nearest(provider, known))
    key = None if key_env is None else os.environ.get(key_env)
    if key_env is not None and not key:
        raise UserError("--key-env", f"{key_env} is not set", f"export {key_env}")
    expert = member(Teacher(provider=provider, error_rate=error_rate), questions)
    script = read_script(faults) if faults is not None else None
    fault, calls = (script.fault, script.calls) if script is not None else (None, None)
    return serve(expert.answer, host, port, key, provider, fault, calls, latency)


class _Http(ThreadingHTTPServer):
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that dies with the program."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection."""
        self._open.pop(request, None)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that are open, and wait for what is being written into the books."""
        for connection, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_GRACE)

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
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        route, name = find(self.command, path) or (None, "")
        api: Api = (route and route.api) or (ANTHROPIC if VERSION in headers else OPENAI)
        wire = Wire(self, self.owner.closing, api.error)
        try:
            body = self._body(route)
            self._admit()
            api.admit(headers)
            if route is None:
                raise Problem(404, f"Unknown request URL: {self.command} {path}", "unknown_url")
            asked = dict(parse_qsl(query, keep_blank_values=True))
            reply = self._run(route, Call(api, name, asked, headers, body, self.owner.root_url))
        except Problem as problem:
            reply = as_json(api.error(problem.status, problem.message, problem.code), problem.status)
        self.owner.closing.wait(self.owner.latency)
        wire.deliver(reply)

    def _run(self, route: Route, call: Call) -> Reply:
        """Run a call; a fault that comes before the work leaves it undone."""
        office = self.owner.office
        if route.place is None or route.place == "ask":
            return route.run(office, call)
        fault = office.planned(route.place, office.turn(route.place))
        undone = fault is not None and fault.kind in WIRE and not fault.worked
        reply = as_json({}) if undone else route.run(office, replace(call, fault=fault))
        return replace(reply, fault=fault)

    def _body(self, route: Route | None) -> bytes:
        length = self.headers.get("Content-Length", "" if self.command == "POST" else "0")
        most = MAX_BATCH if route is not None and route.place in _LARGE else MAX_BODY
        if not length.isdecimal() or int(length) > most:
            self.close_connection = True
            raise Problem(413, f"the request needs a length of at most {most} bytes")
        return self.rfile.read(int(length))

    def _admit(self) -> None:
        key = self.owner.key
        given = [(self.headers.get("Authorization") or "").removeprefix("Bearer "), self.headers.get("x-api-key") or ""]
        if key is not None and not any(hmac.compare_digest(one.encode(), key.encode()) for one in given):
            raise Problem(401, "wrong key")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
