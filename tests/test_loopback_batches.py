"""The hostile teacher's batches, driven by both official clients."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from bridge_distill.teacher.loopback import Fault, Server, serve
from bridge_distill.teacher.loopback.office import CallFaultFn
from bridge_distill.teacher.providers import Answer, Request

KEY = "loopback-key"
ITEMS = [f"bd-{n}" for n in range(6)]


def answer(request: Request) -> Answer:
    return Answer("Because.\nAnswer: yes", "stop", 5, 7)


def body(text: str) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}


class Client(ABC):
    """What a test does with a batch, whatever the API."""

    @abstractmethod
    def submit(self, items: list[str], name: str = "") -> str: ...

    @abstractmethod
    def look(self, batch: str) -> str: ...

    @abstractmethod
    def cancel(self, batch: str) -> str: ...

    @abstractmethod
    def ids(self) -> list[str]: ...

    @abstractmethod
    def lines(self, batch: str) -> list[str]:
        """The result lines of an ended batch as they came."""

    @abstractmethod
    def outcome(self, line: Any) -> str: ...

    def wait(self, batch: str) -> str:
        """The status at the end, or after twenty looks."""
        for _ in range(20):
            status = self.look(batch)
            if status in ("completed", "failed", "expired", "cancelled", "ended"):
                return status
        return "never"

    def outcomes(self, batch: str) -> dict[str, str]:
        found = [json.loads(line) for line in self.lines(batch)]
        assert len(found) == len({line["custom_id"] for line in found})
        return {line["custom_id"]: self.outcome(line) for line in found}


class OpenAIClient(Client):
    def __init__(self, server: Server) -> None:
        self.sdk = openai.OpenAI(api_key=KEY, base_url=server.base_url, max_retries=0)

    def upload(self, content: str) -> str:
        return self.sdk.files.create(file=("batch.jsonl", content.encode()), purpose="batch").id

    def submit(self, items: list[str], name: str = "") -> str:
        url = "/v1/chat/completions"
        lines = [{"custom_id": item, "method": "POST", "url": url, "body": body(f"Is {item}?")} for item in items]
        return self.create(self.upload("".join(json.dumps(line) + "\n" for line in lines)), name)

    def create(self, file: str, name: str = "") -> str:
        made = self.sdk.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={"name": name}
        )
        assert (made.status, made.metadata) == ("validating", {"name": name})
        return made.id

    def look(self, batch: str) -> str:
        return self.sdk.batches.retrieve(batch).status

    def cancel(self, batch: str) -> str:
        return self.sdk.batches.cancel(batch).status

    def ids(self) -> list[str]:
        return [batch.id for batch in self.sdk.batches.list(limit=2)]

    def lines(self, batch: str) -> list[str]:
        found = self.sdk.batches.retrieve(batch)
        files = [name for name in (found.output_file_id, found.error_file_id) if name]
        return [line for name in files for line in self.sdk.files.content(name).text.splitlines()]

    def outcome(self, line: Any) -> str:
        if line["error"]:
            return {"batch_expired": "expired", "batch_cancelled": "cancelled"}[line["error"]["code"]]
        response = line["response"]
        return "succeeded" if response["status_code"] == 200 else f"errored {response['status_code']}"


class AnthropicClient(Client):
    def __init__(self, server: Server) -> None:
        self.sdk = anthropic.Anthropic(api_key=KEY, base_url=server.root_url, max_retries=0)

    def submit(self, items: list[str], name: str = "") -> str:
        made = self.sdk.messages.batches.create(
            requests=[{"custom_id": item, "params": body(f"Is {item}?")} for item in items]  # type: ignore[typeddict-item]
        )
        assert (made.processing_status, made.request_counts.processing) == ("in_progress", len(items))
        return made.id

    def look(self, batch: str) -> str:
        return self.sdk.messages.batches.retrieve(batch).processing_status

    def cancel(self, batch: str) -> str:
        return self.sdk.messages.batches.cancel(batch).processing_status

    def ids(self) -> list[str]:
        return [batch.id for batch in self.sdk.messages.batches.list(limit=2)]

    def lines(self, batch: str) -> list[str]:
        url = self.sdk.messages.batches.retrieve(batch).results_url
        return self.sdk.get(url or "", cast_to=str).splitlines()

    def outcome(self, line: Any) -> str:
        result = line["result"]
        if result["type"] == "errored":
            return f"errored {result['error']['error']['type']}"
        return "cancelled" if result["type"] == "canceled" else str(result["type"])


CLIENTS: dict[str, Callable[[Server], Client]] = {"openai": OpenAIClient, "anthropic": AnthropicClient}


def first(place: str, fault: Fault) -> CallFaultFn:
    return lambda number, where: fault if (number, where) == (0, place) else None


@pytest.fixture(params=CLIENTS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_batch_is_worked_in_parts_and_then_gives_every_result(api: str) -> None:
    with serve(answer, key=KEY) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        billed = [len(server.books)]
        statuses = []
        for _ in range(3):
            statuses.append(client.look(batch))
            billed.append(len(server.books))
        assert client.outcomes(batch) == dict.fromkeys(ITEMS, "succeeded")
    assert statuses == ["in_progress", *["completed" if api == "openai" else "ended"] * 2]
    assert billed == [2, 4, 6, 6]
    assert [(line.tag, line.question, line.batch) for line in server.books] == [(i, f"Is {i}?", True) for i in ITEMS]


def test_openai_says_what_a_batch_used_and_counts_its_items() -> None:
    with serve(answer, key=KEY, fault=lambda n, r: Fault("status", 400) if n == 1 else None) as server:
        client = OpenAIClient(server)
        batch = client.submit(ITEMS, "ours")
        assert client.sdk.batches.retrieve(batch).usage is None
        client.wait(batch)
        found = client.sdk.batches.retrieve(batch)
        [listed] = client.sdk.batches.list()
    assert listed == found
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.total_tokens) == (25, 35, 60)
    assert found.request_counts is not None
    assert (found.request_counts.total, found.request_counts.completed, found.request_counts.failed) == (6, 5, 1)
    assert (found.metadata, found.model) == ({"name": "ours"}, "m")


def test_anthropics_own_reader_reads_the_results() -> None:
    with serve(answer, key=KEY) as server:
        client = AnthropicClient(server)
        batch = client.submit(ITEMS)
        with pytest.raises(anthropic.NotFoundError):
            client.sdk.get(f"/v1/messages/batches/{batch}/results", cast_to=str)
        client.wait(batch)
        results = list(client.sdk.messages.batches.results(batch))
    assert [(entry.custom_id, entry.result.type) for entry in results] == [(item, "succeeded") for item in ITEMS]
    assert {entry.result.message.usage.output_tokens for entry in results} == {7}  # type: ignore[union-attr]


def test_batches_are_listed_newest_first_page_by_page_and_apart(api: str) -> None:
    with serve(answer, key=KEY) as server:
        made = [CLIENTS[api](server).submit(ITEMS[:1]) for _ in range(5)]
        other = CLIENTS["anthropic" if api == "openai" else "openai"](server)
        assert other.ids() == []
        with pytest.raises((openai.NotFoundError, anthropic.NotFoundError)):
            other.look(made[0])
        assert CLIENTS[api](server).ids() == made[::-1]


@pytest.mark.parametrize(("kind", "left"), [("batch_expired", "expired"), ("batch_cancelled", "cancelled")])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_batch_that_ends_early_gives_and_bills_a_part(api: str, kind: Any, left: str, share: float) -> None:
    with serve(answer, key=KEY, calls=first("batch", Fault(kind, share=share))) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        status = client.wait(batch)
        found = client.outcomes(batch)
    worked = int(share * 6)
    assert status == (left if api == "openai" else "ended")
    assert list(found.values()) == ["succeeded"] * worked + [left] * (6 - worked)
    assert len(server.books) == worked


def test_our_own_cancelling_keeps_what_was_worked(api: str) -> None:
    with serve(answer, key=KEY) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        client.look(batch)
        assert client.cancel(batch) == ("cancelling" if api == "openai" else "canceling")
        client.wait(batch)
        assert list(client.outcomes(batch).values()) == ["succeeded"] * 4 + ["cancelled"] * 2
        with pytest.raises((openai.ConflictError, anthropic.ConflictError)):
            client.cancel(batch)
    assert len(server.books) == 4


def test_a_stuck_batch_ends_after_so_many_looks(api: str) -> None:
    with serve(answer, key=KEY, calls=first("batch", Fault("batch_stuck", polls=5))) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        assert [client.look(batch) for _ in range(4)] == ["in_progress"] * 4
        assert client.look(batch) in ("completed", "ended")
        assert set(client.outcomes(batch).values()) == {"succeeded"}


def test_a_batch_that_fails_validation_bills_nothing(api: str) -> None:
    with serve(answer, key=KEY, calls=first("batch", Fault("batch_failed", message="planned"))) as server:
        client = CLIENTS[api](server)
        if isinstance(client, OpenAIClient):
            batch = client.submit(ITEMS)
            assert client.wait(batch) == "failed"
            errors = client.sdk.batches.retrieve(batch).errors
            assert errors is not None
            assert [error.message for error in errors.data or []] == ["planned"]
            assert client.lines(batch) == []
        else:
            with pytest.raises(anthropic.BadRequestError, match="planned"):
                client.submit(ITEMS)
            assert client.ids() == []
    assert server.books == []


LINES: dict[Any, Callable[[list[str]], bool]] = {
    "batch_missing_line": lambda ids: ids == ITEMS[1:],
    "batch_duplicate_line": lambda ids: ids == [ITEMS[0], *ITEMS],
    "batch_reordered": lambda ids: ids == ITEMS[::-1],
    "batch_garbage_line": lambda ids: ids == ["garbage", *ITEMS[1:]],
}


@pytest.mark.parametrize("kind", LINES)
def test_each_fault_of_the_results_leaves_the_bill_as_it_is(api: str, kind: Any) -> None:
    def custom_id(line: str) -> str:
        try:
            return str(json.loads(line)["custom_id"])
        except ValueError:
            return "garbage"

    with serve(answer, key=KEY, calls=first("batch", Fault(kind))) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        client.wait(batch)
        assert LINES[kind]([custom_id(line) for line in client.lines(batch)])
    assert [line.tag for line in server.books] == ITEMS


ITEM_FAULTS: dict[str, tuple[Fault, tuple[str, str], int]] = {
    "status": (Fault("status", 429), ("errored 429", "errored rate_limit_error"), 0),
    "status after the work": (Fault("status", 500, billed=True), ("errored 500", "errored api_error"), 1),
    "reset": (Fault("reset"), ("errored 500", "errored api_error"), 0),
    "drip": (Fault("drip"), ("errored 500", "errored api_error"), 0),
    "no_usage": (Fault("no_usage"), ("succeeded", "succeeded"), 1),
    "refusal": (Fault("refusal"), ("succeeded", "succeeded"), 1),
    "duplicate": (Fault("duplicate"), ("succeeded", "succeeded"), 2),
}


@pytest.mark.parametrize("name", ITEM_FAULTS)
def test_an_items_fault_is_its_own(api: str, name: str) -> None:
    fault, outcomes, billed = ITEM_FAULTS[name]
    with serve(answer, key=KEY, fault=lambda number, request: fault if number == 3 else None) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        client.wait(batch)
        expected = dict.fromkeys(ITEMS, "succeeded") | {ITEMS[3]: outcomes[api == "anthropic"]}
        assert client.outcomes(batch) == expected
    assert [line.tag for line in server.books].count(ITEMS[3]) == billed
    assert len(server.books) == 5 + billed


def test_an_item_that_is_no_request_is_an_error_of_that_item(api: str) -> None:
    with serve(answer, key=KEY) as server:
        client = CLIENTS[api](server)
        if isinstance(client, OpenAIClient):
            line = {"custom_id": "bad", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}}
            batch = client.create(client.upload(json.dumps(line)))
        else:
            batch = client.sdk.messages.batches.create(requests=[{"custom_id": "bad", "params": {}}]).id  # type: ignore[attr-defined,typeddict-item]
        client.wait(batch)
        assert client.outcomes(batch)["bad"].startswith("errored")
    assert server.books == []


@pytest.mark.parametrize(("billed", "there"), [(True, 1), (False, 0)])
def test_a_submission_whose_answer_is_lost_was_accepted_or_not(api: str, billed: bool, there: int) -> None:
    with serve(answer, key=KEY, calls=first("batch", Fault("reset", billed=billed))) as server:
        client = CLIENTS[api](server)
        with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError)):
            client.submit(ITEMS)
        found = client.ids()
        assert len(found) == there
        for batch in found:
            client.wait(batch)
            assert list(client.outcomes(batch)) == ITEMS
    assert len(server.books) == 6 * there


def test_a_submission_delivered_twice_is_two_batches(api: str) -> None:
    with serve(answer, key=KEY, calls=first("batch", Fault("duplicate"))) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        found = client.ids()
        assert (len(found), found[1]) == (2, batch)


def test_results_and_polls_that_fail_for_a_while_come_later(api: str) -> None:
    failing = Fault("status", 500)
    with serve(answer, key=KEY, calls=lambda n, place: failing if n == 1 and place != "batch" else None) as server:
        client = CLIENTS[api](server)
        batch = client.submit(ITEMS)
        client.look(batch)
        with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)):
            client.look(batch)
        client.wait(batch)
        client.lines(batch)
        with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)):
            client.lines(batch)
        assert list(client.outcomes(batch)) == ITEMS
    assert len(server.books) == 6


BAD_FILES = {
    "a line that is no JSON": ('{"custom_id"\n', 1, "not parseable"),
    "a custom id twice": ("{line}\n{line}\n", 2, "not unique"),
    "another address": ('{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}\n', 1, "the url"),
    "nothing": ("", None, "empty"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_openai_fails_a_bad_file_at_its_line(name: str) -> None:
    content, number, said = BAD_FILES[name]
    line = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body("x")})
    with serve(answer, key=KEY) as server:
        client = OpenAIClient(server)
        batch = client.create(client.upload(content.replace("{line}", line)))
        assert client.wait(batch) == "failed"
        errors = client.sdk.batches.retrieve(batch).errors
    assert errors is not None
    [error] = errors.data or []
    assert error.line == number
    assert said in str(error.message)
    assert server.books == []


@pytest.mark.parametrize("ids", [["a", "a"], ["with space"], ["x" * 65], []])
def test_anthropic_refuses_bad_custom_ids_at_once(ids: list[str]) -> None:
    with serve(answer, key=KEY) as server, pytest.raises(anthropic.BadRequestError):
        AnthropicClient(server).submit(ids)
    assert server.books == []


def test_openai_takes_only_an_uploaded_file_for_chat_completions() -> None:
    with serve(answer, key=KEY) as server:
        client = OpenAIClient(server)
        with pytest.raises(openai.BadRequestError, match="No such File"):
            client.create("file-none")
        with pytest.raises(openai.BadRequestError, match="purpose"):
            client.sdk.files.create(file=b"x", purpose="vision")
        with pytest.raises(openai.NotFoundError, match="No such File"):
            client.sdk.files.content("file-none")
        name = client.upload("line\r\n--not the boundary\n")
        assert client.sdk.files.content(name).content == b"line\r\n--not the boundary\n"
