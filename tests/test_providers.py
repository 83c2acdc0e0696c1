"""Every provider over a real socket or a real model: one contract, typed failures, and a key that shows nowhere."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge_distill import practice
from bridge_distill.config import Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.loopback import Fault, Server, serve
from bridge_distill.teacher.providers import (
    Answer,
    Failure,
    Fatal,
    NotBilled,
    Provider,
    Request,
    Unknown,
    _key,
    providers,
)
from bridge_distill.teacher.scripted import count_tokens

T = TypeVar("T")
CANARY = "sk-canary-5f1e0d"
REMOTE = ["openai", "anthropic"]
QUESTION = replace(practice.make("legal", 1, 5, 0.0)[0], recorded_rationale="It is odd.\nAnswer: no")
MESSAGES = [{"role": "system", "content": "Explain."}, {"role": "user", "content": "Is 1 even? \ud800 ü"}]
REQUEST = Request(MESSAGES, 50, None, 0)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)


def answer(request: Request) -> Answer:
    counts = sum(count_tokens(m["content"]) for m in request.messages)
    return Answer("It is odd.\nAnswer: no", "stop", counts, 9)


def teacher(name: str, server: Server | None = None, **changes: Any) -> Teacher:
    url = {"base_url": server.base_url} if server else {}
    return Teacher(**{"provider": name, "model": "m", "temperature": None, **url, **changes})


def built(settings: Teacher) -> Provider:
    return providers.get(settings.provider, "test")(settings, [QUESTION])


async def opened(settings: Teacher, use: Callable[[Provider], Any]) -> Any:
    provider = built(settings)
    await provider.open()
    try:
        return await use(provider)
    finally:
        await provider.close()


def ask(settings: Teacher, request: Request = REQUEST, tag: str = "bd-1") -> Answer:
    found: Answer = asyncio.run(opened(settings, lambda provider: provider.ask(request, tag)))
    return found


def failure(settings: Teacher, request: Request = REQUEST) -> Failure:
    with pytest.raises(Failure) as caught:
        ask(settings, request)
    assert_hidden(caught.value)
    return caught.value


def failing(name: str, fault: Fault, **changes: Any) -> Failure:
    with serve(answer, fault=lambda number, request: fault) as server:
        return failure(teacher(name, server, **changes))


def assert_hidden(error: BaseException | None) -> None:
    while error is not None:
        assert CANARY not in repr(error)
        if isinstance(error, Fatal):
            assert CANARY not in str(error.error)
        error = error.__cause__ or error.__context__


# The contract, which every member keeps.


@pytest.fixture(params=sorted([*REMOTE, "expert", "local", "replay"]))
def member(request: pytest.FixtureRequest) -> Iterator[Teacher]:
    """Settings of each member, with somebody to answer where it asks over a socket."""
    name = request.param
    if name == "local":
        yield teacher(name, model=str(request.getfixturevalue("tiny_base")))
    elif name in REMOTE:
        with serve(answer, key=CANARY) as server:
            yield teacher(name, server)
    else:
        yield teacher(name)


def test_every_member_of_the_registry_is_held_to_the_contract() -> None:
    assert providers.names() == sorted([*REMOTE, "expert", "local", "replay"])


def test_building_one_needs_no_key_and_says_what_it_can_do(member: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    provider = built(member)
    assert provider.family == member.provider
    assert provider.model == member.model
    assert isinstance(provider.takes_temperature, bool)
    assert provider.batch_share is None or provider.batches is not None
    assert provider.batches is None or provider.batches.limit > 0
    asyncio.run(provider.close())


def test_what_decides_a_reply_is_plain_json_and_stays_the_same(member: Teacher) -> None:
    [job] = jobs_of(member, built(member), [QUESTION])
    [again] = jobs_of(member, built(member), [QUESTION])
    [longer] = jobs_of(member.model_copy(update={"max_output_tokens": 9}), built(member), [QUESTION])
    decoding = built(member).decoding(job.request)
    assert json.loads(json.dumps(decoding)) == decoding
    assert job.hash == again.hash != longer.hash


def test_a_question_is_answered_within_its_bounds(member: Teacher) -> None:
    provider = built(member)
    [job] = jobs_of(member, provider, [QUESTION])
    reply = ask(member, job.request)
    assert reply.text
    assert reply.finish in ("stop", "length")
    assert 0 < reply.input_tokens <= provider.worst_input_tokens(job.request.messages)
    assert 0 < reply.output_tokens <= member.max_output_tokens


def test_a_schema_is_taken_or_refused_before_anything_is_asked(member: Teacher) -> None:
    settings = member.model_copy(update={"structured": True})
    provider = built(settings)
    if not provider.structured:
        with pytest.raises(UserError, match=rf"teacher\.structured: provider {member.provider} takes no schema"):
            jobs_of(settings, provider, [QUESTION])
        return
    [job] = jobs_of(settings, provider, [QUESTION])
    assert json.loads(ask(settings, job.request).text) == {"explanation": "It is odd.", "answer": "no"}
    assert provider.decoding(job.request) != provider.decoding(REQUEST)


def test_a_temperature_is_sent_only_where_it_is_taken(member: Teacher) -> None:
    settings = member.model_copy(update={"temperature": 0.5})
    provider = built(settings)
    [job] = jobs_of(settings, provider, [QUESTION])
    assert job.request.temperature == (0.5 if provider.takes_temperature else None)


def test_what_it_cannot_say_of_a_lost_reply_is_none(member: Teacher) -> None:
    assert asyncio.run(opened(member, lambda provider: provider.recover("bd-1", datetime.now(UTC)))) is None


# Failures, by who pays.

REFUSED = {
    301: r"teacher\.base_url: 127\.0\.0\.1 sends requests on to another address",
    401: r"teacher\.key_env: 127\.0\.0\.1 refused the key \(HTTP 401\)",
    403: r"teacher\.key_env: 127\.0\.0\.1 refused the key \(HTTP 403\)",
    402: r"teacher\.key_env: 127\.0\.0\.1 says that the account has no credit",
    404: r"teacher\.(model|base_url): 127\.0\.0\.1 knows no model 'm'",
}


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_that_all_requests_share_is_fatal(name: str, status: int) -> None:
    found = failing(name, Fault("status", status, {"Location": "http://127.0.0.1:9/v1"}))
    assert isinstance(found, Fatal)
    assert found.retry is False
    with pytest.raises(UserError, match=REFUSED[status]):
        raise found.error


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_takes_the_key_nowhere(name: str, status: int) -> None:
    with serve(answer) as other:
        found = failing(name, Fault("status", status, {"Location": f"{other.base_url}/chat/completions"}))
        assert other.books == []
    assert isinstance(found, Fatal)


@pytest.mark.parametrize(
    ("name", "status", "message", "code", "place"),
    [
        ("openai", 429, "You exceeded your current quota.", "insufficient_quota", "teacher.key_env"),
        ("anthropic", 400, "Your credit balance is too low.", "", "teacher.key_env"),
        ("openai", 400, "Unsupported value: 'temperature' does not support 0.0.", "x", "teacher.temperature"),
        ("anthropic", 400, "temperature: Extra inputs are not permitted", "", "teacher.temperature"),
        ("openai", 400, "Invalid parameter: 'response_format' is not supported.", "", "teacher.structured"),
        ("anthropic", 400, "output_config: Extra inputs are not permitted", "", "teacher.structured"),
    ],
)
def test_what_the_words_of_a_refusal_say_is_told_to_the_user(
    name: str, status: int, message: str, code: str, place: str
) -> None:
    fault = Fault("status", status, message=message, code=code)
    found = failing(name, fault, temperature=0.0, structured=True)
    assert isinstance(found, Fatal)
    assert found.error.place == place


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_of_one_request_is_not_billed_and_hides_the_key(name: str, status: int) -> None:
    found = failing(name, Fault("status", status, message=f"you sent {CANARY}\nand the temperature is cold"))
    assert isinstance(found, NotBilled)
    assert not isinstance(found, Fatal)
    assert found.reason == f"refused (HTTP {status}): you sent [key] and the temperature is cold"
    assert (found.retry, found.sent) == (False, True)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", [408, 409, 500, 503, 529])
def test_a_server_error_may_have_been_billed_and_is_tried_again(name: str, status: int) -> None:
    found = failing(name, Fault("status", status, {"Retry-After": "7"}))
    assert isinstance(found, Unknown)
    assert (found.reason, found.retry, found.wait) == (f"server error (HTTP {status})", True, 7.0)


SOON = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)
PAST = format_datetime(datetime.now(UTC) - timedelta(seconds=50), usegmt=True)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "9", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": SOON}, 3600.0),
        ({"Retry-After": PAST}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_a_rate_limit_is_not_billed_and_says_how_long_to_wait(
    name: str, headers: dict[str, str], wait: float | None
) -> None:
    found = failing(name, Fault("status", 429, headers))
    assert isinstance(found, NotBilled)
    assert (found.retry, found.sent, found.wait) == (True, True, wait)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("kind", ["reset", "hang", "garbage", "not_json", "html"])
def test_what_is_lost_after_sending_may_have_been_billed(name: str, kind: Any) -> None:
    found = failing(name, Fault(kind), timeout=0.5)
    assert isinstance(found, Unknown)
    assert found.retry is True


@pytest.mark.parametrize("name", REMOTE)
def test_nobody_listening_is_not_billed_and_was_not_sent(name: str) -> None:
    with serve(answer) as server:
        settings = teacher(name, server)
    found = failure(settings)
    assert isinstance(found, NotBilled)
    assert (found.reason, found.retry, found.sent) == ("no connection to 127.0.0.1", True, False)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_reply_without_end_is_left_after_eight_megabytes(name: str, status: int, encoding: str) -> None:
    with endless(status, encoding) as (url, written):
        found = failure(Teacher(provider=name, model="m", base_url=url, temperature=None))
    assert isinstance(found, Unknown)
    assert found.reason == "the reply is larger than 8 MiB"
    assert len(written) < 100


# Replies, however they come.


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("kind", ["not_utf8", "content_type"])
def test_a_reply_is_read_whatever_it_says_of_itself(name: str, kind: Any) -> None:
    with serve(answer, fault=lambda number, request: Fault(kind)) as server:
        assert ask(teacher(name, server)).text.endswith("It is odd.\nAnswer: no")


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("kind", ["length", "refusal"])
def test_why_a_reply_ended_has_one_word_for_all(name: str, kind: Any) -> None:
    with serve(answer, fault=lambda number, request: Fault(kind)) as server:
        assert ask(teacher(name, server)).finish == kind


@pytest.mark.parametrize("name", REMOTE)
def test_an_empty_reply_is_a_paid_one(name: str) -> None:
    with serve(answer, fault=lambda number, request: Fault("empty_choices")) as server:
        reply = ask(teacher(name, server))
        [line] = server.books
    assert (reply.text, reply.input_tokens) == ("", line.input_tokens)


@pytest.mark.parametrize("name", REMOTE)
def test_missing_usage_is_charged_at_its_bounds(name: str) -> None:
    with serve(answer, fault=lambda number, request: Fault("no_usage")) as server:
        settings = teacher(name, server)
        reply = ask(settings)
    assert reply.input_tokens == built(settings).worst_input_tokens(MESSAGES)
    assert reply.output_tokens == REQUEST.max_output_tokens


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("model", "told"),
    [
        (f"{CANARY}-v2\n", "[key]-v2"),
        (f"{CANARY[:5]}\x00{CANARY[5:]}", "[key]"),
        ("x" * 190 + CANARY + "y" * 10**6, "x" * 190 + "[key]yyyyy"),
    ],
)
def test_the_reply_names_who_answered_and_hides_the_key(name: str, model: str, told: str) -> None:
    with serve(lambda request: Answer(f"say {CANARY}", "stop", 3, 3, model=model)) as server:
        reply = ask(teacher(name, server))
    assert (reply.text, reply.model) == ("say [key]", told)
    assert len(reply.id) > 4


def test_a_placeholder_for_a_key_is_left_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with serve(lambda request: Answer("I think so.", "stop", 3, 3)) as server:
        assert ask(teacher("openai", server)).text == "I think so."


@pytest.mark.parametrize("name", REMOTE)
def test_absurd_usage_is_charged_at_its_bounds(name: str) -> None:
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), -5)
    body = {"choices": [{"message": {"content": [{"text": "a"}, {"text": "b"}]}}], "usage": usage}
    body["content"] = [{"text": "a"}, {"type": "thinking"}, {"text": "b"}]
    with saying(200, json.dumps(body).encode()) as (url, _):
        settings = Teacher(provider=name, model="m", base_url=url, temperature=None)
        reply = ask(settings)
    assert (reply.text, reply.finish, reply.model, reply.id) == ("ab", "unknown", "", "")
    assert (reply.input_tokens, reply.output_tokens) == (built(settings).worst_input_tokens(MESSAGES), 50)


@pytest.mark.parametrize("name", REMOTE)
def test_as_many_requests_are_under_way_as_the_run_file_says(name: str) -> None:
    gathered = threading.Barrier(150)

    def together(request: Request) -> Answer:
        gathered.wait(20)
        return answer(request)

    async def all_of(provider: Provider) -> list[Answer]:
        return await asyncio.gather(*(provider.ask(REQUEST, f"bd-{n}") for n in range(150)))

    with serve(together) as server:
        settings = teacher(name, server, concurrency=150)
        assert len({reply.id for reply in asyncio.run(opened(settings, all_of))}) == 150


# What is sent.


def sent_by(settings: Teacher, request: Request = REQUEST) -> tuple[dict[str, Any], dict[str, str]]:
    with saying(400, b"{}") as (url, seen):
        failure(settings.model_copy(update={"base_url": url}), request)
    [(body, headers)] = seen
    return json.loads(body), headers


def test_openai_is_sent_what_compatible_servers_know() -> None:
    body, headers = sent_by(teacher("openai"), Request(MESSAGES, 50, 0.5, 2, {"type": "object"}))
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Explain."}, {"role": "user", "content": "Is 1 even? ? ü"}],
        "max_tokens": 50,
        "temperature": 0.5,
        "seed": 2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "rationale", "strict": True, "schema": {"type": "object"}},
        },
    }
    assert headers["authorization"] == f"Bearer {CANARY}"
    kept, _ = sent_by(teacher("openai", keep_at_provider=True))
    assert (kept["store"], kept["metadata"]) == (True, {"tag": "bd-1"})
    assert "temperature" not in kept


def test_anthropic_is_sent_the_system_message_apart_and_a_version() -> None:
    old = teacher("anthropic", model="claude-opus-4-6", api_version="2023-06-01", temperature=0.5)
    body, headers = sent_by(old, Request(MESSAGES, 50, 0.5, 0, {"type": "object"}))
    assert body == {
        "model": "claude-opus-4-6",
        "max_tokens": 50,
        "system": "Explain.",
        "messages": [{"role": "user", "content": "Is 1 even? ? ü"}],
        "temperature": 0.5,
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
    assert headers["anthropic-version"] == "2023-06-01"
    assert sent_by(teacher("anthropic"))[1]["anthropic-version"] == "2026-10-21"


@pytest.mark.parametrize(
    ("name", "model", "version", "takes"),
    [
        ("openai", "gpt-4o-mini", None, True),
        ("openai", "gpt-5.1", None, False),
        ("openai", "openai/gpt-5-mini", None, False),
        ("openai", "o3-mini", None, False),
        ("openai", "olmo-3", None, True),
        ("anthropic", "claude-opus-4-6", None, False),
        ("anthropic", "claude-opus-4-6", "2023-06-01", True),
        ("anthropic", "claude-opus-4-20250514", "2023-06-01", True),
        ("anthropic", "claude-3-5-haiku-latest", "2023-06-01", True),
        ("anthropic", "claude-sonnet-4-5-20250929", "2023-06-01", True),
        ("anthropic", "claude-opus-4-7", "2023-06-01", False),
        ("anthropic", "claude-sonnet-5", "2023-06-01", False),
        ("anthropic", "anthropic.claude-haiku-5-5-v1:0", "2023-06-01", False),
        ("anthropic", "claude-mythos-preview", "2023-06-01", False),
        ("anthropic", "glm-5", "2023-06-01", True),
    ],
)
def test_models_that_take_no_temperature_are_known(name: str, model: str, version: str | None, takes: bool) -> None:
    assert built(teacher(name, model=model, api_version=version)).takes_temperature is takes


def test_a_kept_reply_is_found_again_by_its_tag() -> None:
    with serve(answer) as server:
        settings = teacher("openai", server, keep_at_provider=True)
        first, second = ask(settings, tag="bd-7"), ask(settings, tag="bd-8")
        since = datetime.now(UTC)
        assert asyncio.run(opened(settings, lambda provider: provider.recover("bd-8", since))) == second != first
        assert asyncio.run(opened(settings, lambda provider: provider.recover("bd-9", since))) is None
    with saying(404, b"{}") as (url, _):
        settings = settings.model_copy(update={"base_url": url})
        assert asyncio.run(opened(settings, lambda provider: provider.recover("bd-8", since))) is None


def test_a_batch_costs_half_only_at_the_vendors_own_address() -> None:
    with serve(answer) as server:
        assert [built(teacher(name, server)).batch_share for name in REMOTE] == [None, None]
    assert [built(teacher(name)).batch_share for name in REMOTE] == [Decimal("0.5")] * 2


# Keys and addresses.

PRINTS = shlex.join([sys.executable, "-c", f"print('{CANARY}')"])


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("source", [{"key_env": "MY_KEY"}, {"key_command": PRINTS}])
def test_the_key_comes_from_a_variable_or_a_command(
    name: str, source: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", CANARY)
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "another")
    with serve(answer, key=CANARY) as server:
        assert ask(teacher(name, server, **source)).text


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"key_env": "NO_SUCH_KEY"}, r"teacher\.key_env: no key, for NO_SUCH_KEY is not set; export NO_SUCH_KEY"),
        ({"key_env": "BROKEN_KEY"}, r"teacher\.key_env: the key holds characters that no key has"),
        ({"key_env": "MY_KEY", "key_command": PRINTS}, r"teacher\.key_command: is set beside teacher\.key_env"),
        ({"key_command": "no-such-program-here"}, r"teacher\.key_command: cannot be run"),
        ({"key_command": "'"}, r"teacher\.key_command: has a quote that is not closed"),
        ({"key_command": " "}, r"teacher\.key_command: is empty"),
        ({"key_command": "true"}, r"teacher\.key_command: printed nothing"),
        ({"key_command": shlex.join(["printf", f"{CANARY} two"])}, r"teacher\.key_command: the key holds characters"),
        (
            {"key_command": shlex.join([sys.executable, "-c", f"import sys; print('{CANARY}'); sys.exit('{CANARY}')"])},
            r"teacher\.key_command: ended with status 1; run it by hand",
        ),
        ({"base_url": f"https://me:{CANARY}@host/v1"}, r"teacher\.base_url: holds a user name or a password"),
        ({"base_url": f"https://host/v1?key={CANARY}"}, r"teacher\.base_url: holds a query or a fragment"),
        ({"base_url": f"https://host/v1#{CANARY}"}, r"teacher\.base_url: holds a query or a fragment"),
        ({"base_url": "ftp://host/v1"}, r"teacher\.base_url: is not an http or https URL"),
        ({"base_url": "https://host:99999/v1"}, r"teacher\.base_url: is not an http or https URL"),
        ({"base_url": "https://ho st/v1"}, r"teacher\.base_url: is not an http or https URL"),
        ({"model": None}, r"teacher\.model: is not set"),
        ({"tokenizer": "/no/such/place"}, r"teacher\.tokenizer: there is no /no/such/place"),
    ],
)
def test_bad_settings_are_named_without_the_key(
    name: str, changes: dict[str, Any], pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN_KEY", f"{CANARY}\nX: y")
    with pytest.raises(UserError, match=pattern) as caught:
        ask(teacher(name, **changes))
    assert_hidden(caught.value)


def test_a_command_for_the_key_must_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_key, "LONGEST_COMMAND", 0.2)
    slow = shlex.join([sys.executable, "-c", f"print('{CANARY}', flush=True); import time; time.sleep(60)"])
    with pytest.raises(UserError, match=r"teacher\.key_command: did not end within 0\.2 s") as caught:
        ask(teacher("openai", key_command=slow))
    assert_hidden(caught.value)


def test_a_missing_sdk_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(UserError, match=r"teacher\.provider: .*run: pip install 'bridge-distill\[anthropic\]'"):
        ask(teacher("anthropic"))


def test_an_unknown_version_of_the_api_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"teacher\.api_version: unknown version '2023-06-02'.*2026-10-21"):
        built(teacher("anthropic", api_version="2023-06-02"))


@pytest.mark.parametrize("name", REMOTE)
def test_the_sdks_own_logging_does_not_print_the_key(name: str, caplog: pytest.LogCaptureFixture) -> None:
    # The SDK's import sets its loggers up.
    built(teacher(name))
    with caplog.at_level(logging.DEBUG), serve(answer, key=CANARY) as server:
        for logger in (name, "httpx2", "httpcore2"):
            caplog.set_level(logging.DEBUG, logger)
        ask(teacher(name, server))
        failing(name, Fault("reset"))
    assert any(record.name.startswith(name) for record in caplog.records)
    assert CANARY not in caplog.text
    assert not [record for record in caplog.records if CANARY in repr(record.args)]


def test_a_tokenizer_of_the_model_counts_exactly(tiny_base: Path) -> None:
    from tokenizers import Tokenizer

    text = "Is 1 even? ü"
    exact = len(Tokenizer.from_file(str(tiny_base / "tokenizer.json")).encode(text, add_special_tokens=False).ids)
    for place in (tiny_base, tiny_base / "tokenizer.json"):
        counted = built(teacher("openai", tokenizer=str(place))).worst_input_tokens([{"role": "user", "content": text}])
        assert counted == exact + 64
    with pytest.raises(UserError, match=r"teacher\.tokenizer: .*config\.json is not a tokenizer"):
        built(teacher("openai", tokenizer=str(tiny_base / "config.json")))


# The model on this machine.


def test_the_local_model_writes_many_together_and_greedily_the_same(tiny_base: Path) -> None:
    settings = teacher("local", model=str(tiny_base), temperature=0.0, max_output_tokens=20)
    requests = [Request(MESSAGES, 20 + n % 2, 0.0, n) for n in range(6)]

    async def all_of(provider: Provider) -> list[Answer]:
        return await asyncio.gather(*(provider.ask(request, "bd-1") for request in requests))

    together = asyncio.run(opened(settings, all_of))
    alone = [ask(settings, request) for request in requests]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert {reply.model for reply in together} == {str(tiny_base)}


def test_another_model_in_the_same_folder_is_another_request(tiny_base: Path, tmp_path: Path) -> None:
    for file in tiny_base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = teacher("local", model=str(tmp_path))
    before = built(settings).decoding(REQUEST)
    (tmp_path / "added.json").write_text("{}")
    assert built(settings).decoding(REQUEST) != before


def test_a_prompt_that_does_not_fit_is_refused_and_the_others_go_on(tiny_base: Path) -> None:
    settings = teacher("local", model=str(tiny_base))
    long = Request([{"role": "user", "content": "word " * 2000}], 20, 0.0, 0)
    found = failure(settings, long)
    assert isinstance(found, NotBilled)
    assert "do not fit into 512" in found.reason
    with pytest.raises(UserError, match=r"teacher\.model: unknown base 'no-such-model'"):
        built(teacher("local", model="no-such-model"))


# A server that says one thing, whatever it is asked.


class saying:
    """Answers every request with one status and body; gives the address and what came in."""

    def __init__(self, status: int, body: bytes, write: Callable[[Any], None] | None = None, **headers: str) -> None:
        seen: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((content, {name.lower(): value for name, value in self.headers.items()}))
                self.do_GET()

            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if write is None:
                    self.wfile.write(body)
                else:
                    self.close_connection = True
                    write(self.wfile)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self._found = f"http://127.0.0.1:{self._http.server_address[1]}/v1", seen

    def __enter__(self) -> tuple[str, list[Any]]:
        return self._found

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class endless(saying):
    """Answers with a body that ends after 100 MiB, which gzip makes small."""

    def __init__(self, status: int, encoding: str) -> None:
        self.written: list[int] = []
        mebibyte = b" " * 2**20
        parts = [gzip.compress(mebibyte * 100)] if encoding == "gzip" else [mebibyte] * 100

        def write(stream: Any) -> None:
            for part in parts:
                stream.write(part)
                self.written.append(len(part))

        super().__init__(status, b"x" * 10**8, write, Content_Encoding=encoding)

    def __enter__(self) -> tuple[str, list[Any]]:
        return self._found[0], self.written
