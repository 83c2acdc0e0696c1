"""The hostile teacher: both official clients use all of it, and each fault is what it says."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from bridge_distill.teacher.loopback import Fault, Server, serve
from bridge_distill.teacher.loopback.script import Rule, Script
from bridge_distill.teacher.providers import Answer, NotBilled, Request

KEY = "loopback-key"
OLD, NEW = "2023-06-01", "2026-10-21"
SCHEMA = {"type": "object", "properties": {"explanation": {"type": "string"}, "answer": {"type": "string"}}}
TEXT = "Look at the subject.\nAnswer: yes"
APIS = {
    "openai": ("/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}),
    "anthropic": ("/v1/messages", {"x-api-key": KEY, "anthropic-version": NEW}),
}


def answer(request: Request) -> Answer:
    if request.messages[-1]["content"] == "unknown":
        raise NotBilled("no reply to this question")
    return Answer(TEXT, "stop", 5, 7)


def once(fault: Fault) -> Callable[[int, Request], Fault | None]:
    return lambda number, request: fault if number == 0 else None


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(answer, key=KEY) as running:
        yield running


def openai_client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=server.base_url, max_retries=0)


def anthropic_client(server: Server, version: str = NEW) -> anthropic.Anthropic:
    headers = {"anthropic-version": version}
    return anthropic.Anthropic(api_key=KEY, base_url=server.root_url, max_retries=0, default_headers=headers)


def ask_openai(client: openai.OpenAI, text: str = "Is it?", **more: Any) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], **more)


def ask_anthropic(client: anthropic.Anthropic, text: str = "Is it?", **more: Any) -> anthropic.types.Message:
    return client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": text}], **more)


@dataclass
class Raw:
    """An answer as it came off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def raw(server: Server, api: str, path: str | None = None, text: str = "Is it?", **headers: str) -> Raw:
    usual, given = APIS[api]
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]})
    link = http.client.HTTPConnection(server.root_url.removeprefix("http://"), timeout=60)
    link.request("GET" if path else "POST", path or usual, None if path else body, {**given, **headers})
    reply = link.getresponse()
    found = Raw(reply.status, {key.lower(): value for key, value in reply.getheaders()}, reply.read())
    link.close()
    return found


def test_openai_gives_a_structured_reply_where_a_schema_is_asked_for(server: Server) -> None:
    format = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
    with openai_client(server) as client:
        reply = ask_openai(client, response_format=format)
    assert json.loads(reply.choices[0].message.content or "") == {
        "explanation": "Look at the subject.",
        "answer": "yes",
    }
    assert reply.model == "m"


def test_anthropic_gives_a_structured_reply_where_a_schema_is_asked_for(server: Server) -> None:
    with anthropic_client(server) as client:
        reply = ask_anthropic(client, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    assert json.loads(reply.content[0].text) == {"explanation": "Look at the subject.", "answer": "yes"}  # type: ignore[union-attr]


def test_a_message_is_answered_counted_and_billed_under_its_tag(server: Server) -> None:
    with anthropic_client(server) as client:
        counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Is it?"}])
        assert server.books == []
        reply = ask_anthropic(client, system="Explain.", metadata={"user_id": "bd-1"})
        with pytest.raises(anthropic.BadRequestError, match="no reply to this question"):
            ask_anthropic(client, "unknown")
    assert (reply.content[0].text, reply.stop_reason, reply.model) == (TEXT, "end_turn", "m")  # type: ignore[union-attr]
    assert counted.input_tokens == reply.usage.input_tokens == 5
    assert [(b.question, b.input_tokens, b.output_tokens, b.tag) for b in server.books] == [("Is it?", 5, 7, "bd-1")]


def test_the_newer_version_refuses_a_temperature_and_the_older_takes_it(server: Server) -> None:
    with anthropic_client(server, OLD) as client:
        ask_anthropic(client, extra_body={"temperature": 0.5})
    for name in ("temperature", "top_p", "top_k"):
        with anthropic_client(server, NEW) as client, pytest.raises(anthropic.BadRequestError) as caught:
            ask_anthropic(client, extra_body={name: 1})
        said = f"{name}: Extra inputs are not permitted"
        assert caught.value.body["error"] == {"type": "invalid_request_error", "message": said}  # type: ignore[index]
    for version in ("", "1999-01-01"):
        assert raw(server, "anthropic", **{"anthropic-version": version}).status == 400
    assert len(server.books) == 1


@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": "m", "messages": [{"role": "user", "content": "x"}]}])
def test_a_message_without_a_required_field_is_refused(server: Server, body: dict[str, Any]) -> None:
    with anthropic_client(server) as client, pytest.raises(anthropic.BadRequestError, match="Field required"):
        client.post("/v1/messages", body=body, cast_to=object)


def test_models_are_listed_by_both_and_the_key_opens_both(server: Server) -> None:
    with openai_client(server) as first, anthropic_client(server) as second:
        assert [model.id for model in first.models.list()] == ["expert"]
        assert [model.id for model in second.models.list()] == ["expert"]
    for api, kind in (("openai", "invalid_request_error"), ("anthropic", "authentication_error")):
        refused = raw(server, api, **{"Authorization": "Bearer wrong", "x-api-key": "wrong"})
        assert (refused.status, refused.json()["error"]["type"]) == (401, kind)
        assert raw(server, api, "/v1/nothing").status == 404


def test_stored_completions_are_found_by_their_metadata_also_where_the_answer_was_lost() -> None:
    lost = Fault("reset", billed=True)
    with (
        serve(answer, key=KEY, fault=lambda n, r: {1: lost, 2: Fault("reset")}.get(n)) as server,
        openai_client(server) as client,
    ):
        first = ask_openai(client, store=True, metadata={"tag": "bd-0"})
        for number in (1, 2):
            with pytest.raises(openai.APIConnectionError):
                ask_openai(client, store=True, metadata={"tag": f"bd-{number}"})
        ask_openai(client, metadata={"tag": "bd-3"})
        found = {n: list(client.chat.completions.list(metadata={"tag": f"bd-{n}"})) for n in range(4)}
        newest = client.chat.completions.list(order="desc", limit=1)
    assert found[0][0].id == first.id
    assert found[0][0].metadata == {"tag": "bd-0"}
    assert found[1][0].choices[0].message.content == TEXT
    assert found[2] == found[3] == []
    assert (newest.data[0].id, newest.has_more) == (found[1][0].id, True)
    assert [line.tag for line in server.books] == ["bd-0", "bd-1", "bd-3"]


def test_the_books_can_be_read_from_elsewhere_with_the_key(server: Server) -> None:
    with openai_client(server) as client:
        ask_openai(client, metadata={"tag": "t"})
    line = {"number": 0, "question": "Is it?", "input_tokens": 5, "output_tokens": 7, "batch": False, "tag": "t"}
    assert raw(server, "openai", "/books").json() == [line]
    assert raw(server, "openai", "/books", Authorization="Bearer wrong").status == 401


STATUSES = {
    401: (openai.AuthenticationError, anthropic.AuthenticationError),
    403: (openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    404: (openai.NotFoundError, anthropic.NotFoundError),
    429: (openai.RateLimitError, anthropic.RateLimitError),
    500: (openai.InternalServerError, anthropic.InternalServerError),
    502: (openai.InternalServerError, anthropic.InternalServerError),
    529: (openai.InternalServerError, anthropic.APIStatusError),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("billed", [False, True])
def test_each_status_comes_in_the_apis_own_shape(status: int, billed: bool) -> None:
    fault = Fault("status", status, {"Retry-After": "7"}, billed, message="planned")
    with serve(answer, key=KEY, fault=lambda number, request: fault) as server:
        with openai_client(server) as client, pytest.raises(STATUSES[status][0], match="planned") as first:
            ask_openai(client)
        with anthropic_client(server) as other, pytest.raises(STATUSES[status][1], match="planned") as second:
            ask_anthropic(other)
        assert len(server.books) == (2 if billed else 0)
    assert first.value.response.headers["retry-after"] == second.value.response.headers["retry-after"] == "7"


def test_a_status_without_retry_after_and_with_the_apis_code_for_no_credit() -> None:
    with serve(answer, key=KEY, fault=once(Fault("status", 429, code="insufficient_quota"))) as server:
        refused = raw(server, "openai")
    assert "retry-after" not in refused.headers
    assert refused.json()["error"]["code"] == "insufficient_quota"


def text_in(body: Any) -> str | None:
    said: str | None = body["choices"][0]["message"]["content"] if "choices" in body else body["content"][0]["text"]
    return said


def broken(found: Raw, sound: Raw) -> bool:
    with pytest.raises(json.JSONDecodeError):
        found.json()
    return found.headers["content-type"] == "application/json"


def not_utf8(found: Raw, sound: Raw) -> bool:
    with pytest.raises(UnicodeDecodeError):
        found.body.decode()
    return text_in(json.loads(found.body.decode("utf-8", "ignore"))) == TEXT


def same(found: Raw, sound: Raw, *but: str) -> bool:
    drop = {"id", "created", *but}
    return {k: v for k, v in found.json().items() if k not in drop} == {
        k: v for k, v in sound.json().items() if k not in drop
    }


def finishes(openai_word: str, anthropic_word: str) -> Callable[[Raw, Raw], bool]:
    def check(found: Raw, sound: Raw) -> bool:
        body = found.json()
        if "choices" in body:
            return bool(body["choices"][0]["finish_reason"] == openai_word)
        return bool(body["stop_reason"] == anthropic_word)

    return check


def refused(found: Raw, sound: Raw) -> bool:
    body = found.json()
    if "choices" in body:
        message = body["choices"][0]["message"]
        return message["content"] is None and bool(message["refusal"])
    return bool(body["stop_reason"] == "refusal" and body["stop_details"]["type"] == "refusal")


ON_THE_WIRE: dict[str, tuple[Fault, int, Callable[[Raw, Raw], bool]]] = {
    "drip": (Fault("drip", seconds=0.05), 1, same),
    "garbage": (Fault("garbage"), 1, broken),
    "not_json": (Fault("not_json"), 0, broken),
    "not_utf8": (Fault("not_utf8"), 1, not_utf8),
    "content_type": (Fault("content_type"), 1, lambda f, s: same(f, s) and f.headers["content-type"] == "text/plain"),
    "html": (Fault("html", 502), 0, lambda f, s: f.status == 502 and b"<h1>" in f.body),
    "html with 200": (Fault("html"), 0, lambda f, s: f.status == 200 and f.headers["content-type"] == "text/html"),
    "huge": (Fault("huge", megabytes=3), 1, lambda f, s: len(f.body) > 3e6 and text_in(f.json())[-9:] == TEXT[-9:]),  # type: ignore[index]
    "length": (Fault("length"), 1, finishes("length", "max_tokens")),
    "content_filter": (Fault("content_filter"), 1, finishes("content_filter", "refusal")),
    "refusal": (Fault("refusal"), 1, refused),
    "empty_choices": (Fault("empty_choices"), 1, lambda f, s: [] in (f.json().get("choices"), f.json().get("content"))),
    "no_usage": (Fault("no_usage"), 1, lambda f, s: same(f, s, "usage") and "usage" not in f.json()),
    "wrong_model": (Fault("wrong_model"), 1, lambda f, s: same(f, s, "model") and f.json()["model"] == "another-model"),
    "duplicate": (Fault("duplicate"), 2, same),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", ON_THE_WIRE)
def test_each_fault_is_what_it_says_and_is_billed_as_it_says(api: str, name: str) -> None:
    fault, billed, as_said = ON_THE_WIRE[name]
    with serve(answer, key=KEY, fault=once(fault)) as server:
        found = raw(server, api)
        assert [(line.number, line.output_tokens) for line in server.books] == [(0, 7)] * billed
        sound = raw(server, api)
    assert same(sound, sound)
    assert as_said(found, sound)


@pytest.mark.parametrize("api", APIS)
def test_a_stale_answer_is_the_earlier_one_while_this_one_is_billed(api: str) -> None:
    stale = Fault("stale")
    with serve(answer, key=KEY, fault=lambda number, request: stale if number == 1 else None) as server:
        first, second, third = (raw(server, api, text=text).json() for text in ("one", "two", "three"))
    assert first["id"] == second["id"] != third["id"]
    assert [line.question for line in server.books] == ["one", "two", "three"]


def test_a_server_that_ignores_the_schema_answers_in_plain_text() -> None:
    format = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}
    with serve(answer, key=KEY, fault=once(Fault("unstructured"))) as server, openai_client(server) as client:
        assert ask_openai(client, response_format=format).choices[0].message.content == TEXT


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("billed", [False, True])
def test_a_reset_comes_before_or_after_the_work(api: str, billed: bool) -> None:
    with serve(answer, key=KEY, fault=once(Fault("reset", billed=billed))) as server:
        with pytest.raises(ConnectionError):
            raw(server, api)
        assert len(server.books) == billed


def begun(server: Server) -> socket.socket:
    """A connection on which a question has been sent."""
    link = socket.create_connection(("127.0.0.1", int(server.root_url.rpartition(":")[2])), timeout=60)
    body = json.dumps({"messages": [{"role": "user", "content": "Is it?"}]})
    link.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return link


def everything(link: socket.socket) -> bytes:
    some, found = b"-", b""
    try:
        while some:
            some = link.recv(65536)
            found += some
    except ConnectionError:
        pass
    return found


@pytest.mark.parametrize("fault", [Fault("hang", seconds=3600, billed=True), None])
def test_closing_ends_a_hang_and_a_delay(fault: Fault | None) -> None:
    worked = threading.Event()

    def seen(request: Request) -> Answer:
        worked.set()
        return answer(request)

    server = serve(seen, fault=lambda number, request: fault, latency=0 if fault else 3600)
    with begun(server) as link:
        assert worked.wait(60)
        server.close()
        assert TEXT.encode() not in everything(link)
    assert len(server.books) == 1


def test_a_drip_sends_a_byte_after_the_other_until_the_server_closes() -> None:
    server = serve(answer, fault=once(Fault("drip", seconds=3600)))
    with begun(server) as link:
        start = b""
        while not start.endswith(b"\r\n\r\n"):
            start += link.recv(1)
        server.close()
        assert len(everything(link)) < 10
    assert b"200 OK" in start
    assert len(server.books) == 1


def test_a_huge_reply_is_never_built_in_memory() -> None:
    with serve(answer, fault=once(Fault("huge", megabytes=24))) as server, begun(server) as link:
        tracemalloc.start()
        size = 0
        while size < 24 * 2**20:
            size += len(link.recv(65536))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * 2**20


@pytest.mark.parametrize("place", ["models", "kept", "count", "upload", "list"])
def test_every_other_call_can_fail_too(place: str) -> None:
    def calls(number: int, where: str) -> Fault | None:
        return Fault("status", 503, message="planned") if (number, where) == (0, place) else None

    with serve(answer, calls=calls) as server, openai_client(server) as first, anthropic_client(server) as second:
        asking: dict[str, Callable[[], Any]] = {
            "models": lambda: first.models.list(),
            "kept": lambda: first.chat.completions.list(),
            "count": lambda: second.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}]),
            "upload": lambda: first.files.create(file=("a.jsonl", b"{}\n"), purpose="batch"),
            "list": lambda: second.messages.batches.list(),
        }
        with pytest.raises((openai.InternalServerError, anthropic.InternalServerError), match="planned"):
            asking[place]()
        asking[place]()


def test_the_books_stay_exact_under_many_threads() -> None:
    kinds: list[tuple[Any, bool | None]] = [("reset", True), ("reset", False), ("duplicate", None), ("no_usage", None)]
    script = Script([Rule(Fault(kind, billed=billed), "ask", rate=0.1) for kind, billed in kinds], seed=3)
    planned = [script.fault(number, Request([], 1, None, 0)) for number in range(400)]
    expected = sum(1 if fault is None else fault.worked * (1 + (fault.kind == "duplicate")) for fault in planned)

    def one(number: int) -> bool:
        try:
            return raw(server, ("openai", "anthropic")[number % 2], text=f"Is {number}?").status == 200
        except ConnectionError:
            return False

    with serve(answer, key=KEY, fault=script.fault) as server, ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(one, range(400)))
    assert len(server.books) == expected
    assert answered == sum(fault is None or fault.kind != "reset" for fault in planned)
    assert len({line.question for line in server.books}) == sum(fault is None or fault.worked for fault in planned)


def test_a_fault_that_cannot_befall_a_call_is_no_silent_no_op(capfd: pytest.CaptureFixture[str]) -> None:
    with serve(answer, key=KEY, fault=once(Fault("batch_expired"))) as server, pytest.raises(ConnectionError):
        raw(server, "openai")
    assert "'batch_expired' cannot befall 'ask'" in capfd.readouterr().err
