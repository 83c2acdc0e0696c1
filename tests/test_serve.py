"""The loopback server, asked by the official client."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest

from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.loopback import Server, serve, serve_expert
from bridge_distill.teacher.providers import Answer, Request
from bridge_distill.teacher.scripted import count_tokens

QUESTION = Question("q1", "Is water wet?", "yes_no", answer="yes", recorded_rationale="Water wets what it touches.")
MESSAGES = [{"role": "system", "content": "Explain."}, {"role": "user", "content": QUESTION.text}]
KEY = "loopback-key"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LOOPBACK_KEY", KEY)
    with serve_expert("replay", [QUESTION], key_env="LOOPBACK_KEY") as running:
        yield running


def client(server: Server, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=server.base_url, max_retries=0)


def complete(server: Server, **options: object) -> openai.types.chat.ChatCompletion:
    with client(server) as asking:
        return asking.chat.completions.create(model="replay", messages=MESSAGES, **options)  # type: ignore[call-overload]


def test_the_recorded_reply_comes_with_its_answer_and_is_billed(server: Server) -> None:
    reply = complete(server, max_tokens=100)
    assert reply.choices[0].message.content == "Water wets what it touches.\nAnswer: yes"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert [(line.input_tokens, line.output_tokens) for line in server.books] == [
        (reply.usage.prompt_tokens, reply.usage.completion_tokens)
    ]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_reply_over_the_limit_is_cut_and_says_so(server: Server, limit: str) -> None:
    reply = complete(server, **{limit: 3})
    assert reply.choices[0].finish_reason == "length"
    assert count_tokens(reply.choices[0].message.content or "") == 3
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 3


def test_only_the_right_key_opens_and_models_are_listed(server: Server) -> None:
    with client(server) as asking:
        assert [model.id for model in asking.models.list()] == ["replay"]
    with client(server, "another") as asking, pytest.raises(openai.AuthenticationError):
        asking.models.list()
    assert server.books == []


def test_an_unknown_question_and_an_unknown_address_are_refused_unbilled(server: Server) -> None:
    with client(server) as asking:
        with pytest.raises(openai.BadRequestError, match="no reply to this question"):
            asking.chat.completions.create(model="m", messages=[{"role": "user", "content": "Who?"}])
        with pytest.raises(openai.NotFoundError):
            asking.embeddings.create(model="m", input="text")
    assert server.books == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"messages": []}',
        b'{"messages": [{"role": "user", "content": 5}]}',
        b'{"messages": [{"role": "wizard", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "stream": true}',
        b'{"messages": [{"role": "user", "content": "x"}], "n": 2}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": "hot"}',
        b'{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"}}',
        b'{"messages": [{"role": "user", "content": "x"}], "metadata": {"tag": 5}}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}',
    ],
)
def test_a_malformed_request_is_refused_with_a_reason(server: Server, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.base_url}/chat/completions", body, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert caught.value.code == 400
    assert json.load(caught.value)["error"]["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_a_host_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(UserError, match="--host"):
        serve(lambda request: pytest.fail("asked"), host=host)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port: cannot listen on 127.0.0.1:{port}"):
            serve(lambda request: pytest.fail("asked"), port=port)


def test_only_experts_of_this_program_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UserError, match=r"--provider: 'openai'.*expert, replay"):
        serve_expert("openai", [])
    with pytest.raises(UserError, match="--key-env: NO_SUCH_KEY is not set"):
        serve_expert("replay", [], key_env="NO_SUCH_KEY")


def test_the_request_reaches_the_expert_whole() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer("text", "stop", 1, 1)

    with serve(answer) as server, client(server) as asking:
        asking.chat.completions.create(model="m", messages=MESSAGES, max_tokens=9, temperature=0.5, seed=2)  # type: ignore[arg-type]
        asking.chat.completions.create(model="m", messages=MESSAGES)  # type: ignore[arg-type]
    assert seen == [Request(MESSAGES, 9, 0.5, 2), Request(MESSAGES, 1024, None, 0)]
