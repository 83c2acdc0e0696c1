"""The batch APIs over a real socket: submitted, lost, found again, and every item's end typed by who pays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from bridge_distill.config import Teacher
from bridge_distill.teacher.loopback import Fault, Server, serve
from bridge_distill.teacher.providers import (
    Answer,
    Batches,
    BatchState,
    Failure,
    Fatal,
    NotBilled,
    Provider,
    Request,
    Unknown,
    providers,
)

T = TypeVar("T")
CANARY = "sk-canary-5f1e0d"
REMOTE = ["openai", "anthropic"]
NOW = datetime.now(UTC)
# So long ago that a batch sent then would be listed.
SINCE = NOW - timedelta(seconds=5)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)


def answer(request: Request) -> Answer:
    text = request.messages[-1]["content"]
    if "?" not in text:
        raise NotBilled(f"no question ({CANARY})")
    return Answer(f"About {text}\nAnswer: no", "stop", 11, 7)


def requests(name: str, count: int = 4, temperature: float | None = None) -> dict[str, Request]:
    return {
        f"{name}-{n}": Request(
            [{"role": "system", "content": "Explain."}, {"role": "user", "content": f"Is {n} even? \u2028 \ud800"}],
            50,
            temperature,
            0,
        )
        for n in range(count)
    }


def teacher(name: str, server: Server, **changes: Any) -> Teacher:
    options = {"provider": name, "model": "m", "base_url": server.base_url, "poll_seconds": 0.05, "temperature": None}
    return Teacher(**{**options, **changes})


def using(settings: Teacher, use: Callable[[Batches], Awaitable[T]]) -> T:
    """What ``use`` gives, asked by a provider of its own, as another process would."""

    async def run() -> T:
        provider: Provider = providers.get(settings.provider, "test")(settings, [])
        await provider.open()
        try:
            assert provider.batches is not None
            return await use(provider.batches)
        finally:
            await provider.close()

    return asyncio.run(run())


async def ended(batches: Batches, batch: str) -> BatchState:
    while not (state := await batches.state(batch)).ended:
        await asyncio.sleep(0)
    return state


async def results_of(batches: Batches, batch: str) -> list[tuple[str, Answer | Failure]]:
    return [result async for result in batches.results(batch)]


async def whole(batches: Batches, name: str, asked: dict[str, Request]) -> list[tuple[str, Answer | Failure]]:
    batch = await batches.submit(name, asked)
    await ended(batches, batch)
    return await results_of(batches, batch)


def planned(kind: Any, place: str, **how: Any) -> Callable[[int, str], Fault | None]:
    fault = Fault(kind, **how)
    return lambda number, called: fault if called == place else None


@pytest.mark.parametrize("name", REMOTE)
def test_a_batch_is_answered_and_billed_once(name: str) -> None:
    with serve(answer, key=CANARY) as server:
        settings = teacher(name, server)
        batch = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        state = using(settings, lambda batches: ended(batches, batch))
        found = dict(using(settings, lambda batches: results_of(batches, batch)))
        assert len(server.books) == 4
    assert state.billed
    assert "4 of 4" in state.words
    assert sorted(found) == [f"bb-1-{n}" for n in range(4)]
    reply = found["bb-1-2"]
    assert isinstance(reply, Answer)
    assert reply.text == "About Is 2 even? \u2028 ?\nAnswer: no"
    assert (reply.finish, reply.input_tokens, reply.output_tokens, reply.model) == ("stop", 11, 7, "m")
    assert reply.id


@pytest.mark.parametrize("name", REMOTE)
def test_a_batch_under_way_says_so(name: str) -> None:
    with serve(answer, calls=planned("batch_stuck", "batch")) as server:
        settings = teacher(name, server)
        batch = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        state = using(settings, lambda batches: batches.state(batch))
    assert not state.ended
    assert "of 4" in state.words


@pytest.mark.parametrize("name", REMOTE)
def test_an_item_that_is_refused_is_not_billed_and_hides_the_key(name: str) -> None:
    asked = requests("bb-1") | {"bb-1-9": Request([{"role": "user", "content": "Hm."}], 50, None, 0)}
    with serve(answer) as server:
        found = dict(using(teacher(name, server), lambda batches: whole(batches, "bb-1", asked)))
    refused = found["bb-1-9"]
    assert isinstance(refused, NotBilled)
    assert refused.reason == "refused (HTTP 400): no question ([key])"
    assert sum(isinstance(reply, Answer) for reply in found.values()) == 4


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("status", [429, 500, 529])
def test_an_item_that_failed_inside_the_provider_is_not_billed_and_asked_again(name: str, status: int) -> None:
    with serve(answer, fault=lambda number, request: Fault("status", status) if number == 1 else None) as server:
        found = dict(using(teacher(name, server), lambda batches: whole(batches, "bb-1", requests("bb-1"))))
        assert len(server.books) == 3
    [failed] = [reply for reply in found.values() if not isinstance(reply, Answer)]
    assert isinstance(failed, NotBilled)
    assert failed.retry


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("kind", ["batch_expired", "batch_cancelled"])
def test_what_a_batch_did_not_get_to_is_not_billed_and_the_rest_is_kept(name: str, kind: str) -> None:
    with serve(answer, calls=planned(kind, "batch")) as server:
        found = dict(using(teacher(name, server), lambda batches: whole(batches, "bb-1", requests("bb-1"))))
        assert len(server.books) == 2
    left = [reply for reply in found.values() if isinstance(reply, NotBilled)]
    assert [reply.retry for reply in left] == [True, True]
    assert sum(isinstance(reply, Answer) for reply in found.values()) == 2


def test_a_batch_that_was_refused_as_a_whole_was_not_billed() -> None:
    with serve(answer, calls=planned("batch_failed", "batch")) as server:
        settings = teacher("openai", server)
        batch = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        state = using(settings, lambda batches: ended(batches, batch))
        assert using(settings, lambda batches: results_of(batches, batch)) == []
        assert server.books == []
    assert (state.billed, state.words) == (False, "failed: planned fault")


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("kind", "count"),
    [("batch_garbage_line", 3), ("batch_missing_line", 3), ("batch_duplicate_line", 5), ("batch_reordered", 4)],
)
def test_odd_lines_among_the_results_cost_no_other_reply(name: str, kind: str, count: int) -> None:
    with serve(answer, calls=planned(kind, "batch")) as server:
        found = using(teacher(name, server), lambda batches: whole(batches, "bb-1", requests("bb-1")))
    assert len(found) == count
    assert all(isinstance(reply, Answer) for _, reply in found)


@pytest.mark.parametrize("name", REMOTE)
def test_missing_usage_is_charged_at_its_bounds_where_they_are_known(name: str) -> None:
    with serve(answer, fault=lambda number, request: Fault("no_usage")) as server:
        settings = teacher(name, server)
        asked = requests("bb-1", 1)
        [(_, known)] = using(settings, lambda batches: whole(batches, "bb-1", asked))
        assert isinstance(known, Answer)
        worst = providers.get(name, "test")(settings, []).worst_input_tokens(asked["bb-1-0"].messages)
        assert (known.input_tokens, known.output_tokens) == (worst, 50)
        batch = using(settings, lambda batches: batches.submit("bb-2", requests("bb-2", 1)))
        using(settings, lambda batches: ended(batches, batch))
        [(_, unknown)] = using(settings, lambda batches: results_of(batches, batch))
        assert isinstance(unknown, Unknown)


# A submission whose answer is lost.


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_submission_is_found_again_or_surely_was_none(name: str, arrived: bool) -> None:
    lost = planned("reset", "batch", billed=arrived)
    with serve(answer, calls=lambda number, place: lost(number, place) if number == 1 else None) as server:
        settings = teacher(name, server)
        other = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        with pytest.raises(Unknown):
            using(settings, lambda batches: batches.submit("bb-1-1", requests("bb-1-1")))
        if name == "anthropic":
            with pytest.raises(Unknown, match="still processing"):
                using(settings, lambda batches: batches.find("bb-1-1", SINCE))
            for batch in list(server.office.batches):
                using(settings, lambda batches, batch=batch: ended(batches, batch))  # type: ignore[misc]
        found = using(settings, lambda batches: batches.find("bb-1-1", SINCE))
        assert using(settings, lambda batches: batches.find("bb-1", SINCE)) == other
        assert found != other
        assert (found in server.office.batches) is arrived
        assert (found is None) is not arrived


@pytest.mark.parametrize("name", REMOTE)
def test_right_after_sending_nothing_is_surely_none(name: str) -> None:
    with serve(answer) as server:
        settings = teacher(name, server, poll_seconds=30)
        with pytest.raises(Unknown, match="no such batch is listed yet") as caught:
            using(settings, lambda batches: batches.find("bb-1", datetime.now(UTC)))
    assert (caught.value.retry, caught.value.wait) == (True, 30)


@pytest.mark.parametrize("name", REMOTE)
def test_a_clock_in_another_time_zone_hides_no_batch(name: str) -> None:
    with serve(answer) as server:
        settings = teacher(name, server)
        batch = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        using(settings, lambda batches: ended(batches, batch))
        server.office.batches[batch].created -= timedelta(hours=14).total_seconds()
        assert using(settings, lambda batches: batches.find("bb-1", SINCE)) == batch


@pytest.mark.parametrize("name", REMOTE)
def test_it_is_found_beyond_the_first_page(name: str) -> None:
    with serve(answer) as server:
        settings = teacher(name, server)

        async def many(batches: Batches) -> str:
            made = [await batches.submit(f"bb-{n}", requests(f"bb-{n}", 1)) for n in range(103)]
            for batch in made:
                await ended(batches, batch)
            return made[0]

        first = using(settings, many)
        assert using(settings, lambda batches: batches.find("bb-0", SINCE)) == first


def test_a_lost_upload_is_surely_not_billed() -> None:
    with serve(answer, calls=planned("reset", "upload", billed=True)) as server, pytest.raises(NotBilled) as caught:
        using(teacher("openai", server), lambda batches: batches.submit("bb-1", requests("bb-1")))
    assert caught.value.retry
    assert caught.value.reason.startswith("upload failed")


# What stops everything, and what only waits.


async def submitted(batches: Batches) -> str:
    return await batches.submit("bb-1", requests("bb-1"))


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize(
    ("place", "status", "problem"),
    [
        ("batch", 404, "has no batch API"),
        ("batch", 401, "refused the key"),
        ("poll", 404, "has no batch msgbatch_0, which an earlier run submitted"),
        ("poll", 401, "refused the key"),
    ],
)
def test_what_all_share_is_fatal(name: str, place: str, status: int, problem: str) -> None:
    calls = {"poll": lambda batches: batches.state("msgbatch_0"), "batch": submitted}
    with serve(answer, calls=planned("status", place, status=status)) as server, pytest.raises(Fatal) as caught:
        using(teacher(name, server), calls[place])
    assert problem in str(caught.value.error)
    assert CANARY not in str(caught.value.error)


@pytest.mark.parametrize("name", REMOTE)
@pytest.mark.parametrize("kind", ["reset", "html", "not_json", "garbage", "hang"])
@pytest.mark.parametrize("place", ["poll", "list"])
def test_a_question_about_a_batch_that_fails_may_be_asked_again(name: str, kind: str, place: str) -> None:
    calls = {"poll": lambda batches: batches.state("msgbatch_0"), "list": lambda batches: batches.find("bb-1", SINCE)}
    with serve(answer, calls=planned(kind, place, billed=False)) as server, pytest.raises(Unknown) as caught:
        using(teacher(name, server, timeout=0.3), calls[place])
    assert caught.value.retry
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("name", REMOTE)
def test_results_that_break_off_are_told_after_what_had_arrived(name: str) -> None:
    with serve(answer, calls=planned("garbage", "results")) as server:
        settings = teacher(name, server)
        found = using(settings, lambda batches: whole(batches, "bb-1", requests("bb-1")))
    assert 1 <= len(found) < 4
    with serve(answer, calls=planned("reset", "results")) as server, pytest.raises(Unknown):
        using(teacher(name, server), lambda batches: whole(batches, "bb-1", requests("bb-1")))


def test_results_that_were_deleted_are_none_and_the_others_are_kept() -> None:
    with serve(answer) as server:
        settings = teacher("openai", server)
        batch = using(settings, lambda batches: batches.submit("bb-1", requests("bb-1")))
        using(settings, lambda batches: ended(batches, batch))
        file = server.office.batches[batch].output_file
        assert file is not None
        del server.office.files[file]
        assert using(settings, lambda batches: results_of(batches, batch)) == []


def test_a_batch_of_anthropics_older_version_carries_its_temperature() -> None:
    seen = []

    def noted(request: Request) -> Answer:
        seen.append(request.temperature)
        return answer(request)

    with serve(noted) as server:
        settings = teacher("anthropic", server, model="claude-opus-4-6", api_version="2023-06-01")
        using(settings, lambda batches: whole(batches, "bb-1", requests("bb-1", 2, 0.5)))
    assert set(seen) == {0.5}


def test_a_batch_that_is_too_large_is_refused_before_it_is_sent() -> None:
    long = Request([{"role": "user", "content": "Is it? " * 10**6}], 50, None, 0)
    asked = {f"bb-1-{n}": long for n in range(30)}
    with serve(answer) as server, pytest.raises(Fatal, match="more than the 200 MB"):
        using(teacher("openai", server), lambda batches: batches.submit("bb-1", asked))
    assert server.office.files == {}


def test_a_line_of_results_may_hold_every_separator_but_its_own() -> None:
    said = "a\u2028b\u0085c\x1dd\x0be"
    with serve(lambda request: Answer(said, "stop", 1, 1)) as server:
        found = using(teacher("openai", server), lambda batches: whole(batches, "bb-1", requests("bb-1", 1)))
        [content] = [file.content for file in server.office.files.values() if "output" in file.name]
        assert json.loads(content)["custom_id"] == "bb-1-0"
    [(_, reply)] = found
    assert isinstance(reply, Answer)
    assert reply.text == said
