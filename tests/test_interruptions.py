"""Kills under a cap that is as large as what is wanted, Ctrl-C while requests are under way, and a disk that fills."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.config import Budget, Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher import serve
from bridge_distill.teacher.budget import Limits, Payer
from bridge_distill.teacher.buying import Buyer, Purchase, Stopped
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.ledger import Ledger, Terms
from bridge_distill.teacher.loopback import Fault
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer, Request
from bridge_distill.teacher.reconcile import Word, take_words
from bridge_distill.teacher.scripted import Scripted
from bridge_distill.teacher.stopping import at_interrupt
from bridge_distill.teacher.store import ReplyStore
from classroom import Place, answer, questions, recorded, times_billed
from shop import outcome
from test_kills import Lives, lives, settings
from tiny import COMMAND


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Hear Ctrl-C: a process that was started in the background ignores it, and so do those that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def life_of(place: Place, teacher: dict[str, Any], **budget: Any) -> dict[str, Any]:
    return {"root": str(place.root), "store": str(place.store), "run": "run", "teacher": teacher, "budget": budget}


def left_open(place: Place) -> list[int]:
    with Database(place.store) as database:
        return [row["id"] for row in Ledger(database).open_attempts()]


def test_a_kill_costs_a_teacher_that_bills_nothing_no_reply_of_its_cap(tmp_path: Path) -> None:
    teacher, caught = Teacher(provider="replay", concurrency=2), 0
    with lives() as found:
        for statement in range(40, 120, 12):
            place = Place(tmp_path / str(statement), recorded(6))
            code = found.live({**life_of(place, teacher.model_dump(mode="json"), queries=6), "statement": statement})
            assert code in (0, -signal.SIGKILL)
            caught += place.store.exists() and bool(left_open(place))
            figures = place.teach(teacher, Budget(queries=6))
            assert (figures["replies"], figures["unasked"], figures["ended_by"]) == (6, 0, None)
            assert left_open(place) == []
    assert caught, "some life ends between a reservation and its reply"


def killed_under_way(place: Place, found: Lives, teacher: dict[str, Any], **budget: Any) -> None:
    """Live once, until the third request is with the server."""
    assert found.live(life_of(place, teacher, **budget)) == -signal.SIGKILL
    assert left_open(place)


def dies_at_the_third(found: Lives) -> Any:
    def fault(number: int, request: Request) -> Fault | None:
        if number != 2:
            return None
        found.kill()
        return Fault("reset")

    return fault


def test_a_cap_that_a_kill_used_up_is_told_until_the_user_has_closed_what_was_under_way(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(6))
    with lives() as found, serve(answer, fault=dies_at_the_third(found)) as server:
        plain = settings(server, concurrency=1, keep_at_provider=False)
        killed_under_way(place, found, plain, queries=6)
        teacher, lost = Teacher.model_validate(plain), left_open(place)
        for _ in range(2):
            with pytest.raises(UserError, match=r"budget\.queries: is used up, in part by \d requests .*reconcile"):
                place.teach(teacher, Budget(queries=6))
        with Database(place.store) as database:
            take_words(Ledger(database), [], accept_rest=True)
        figures = place.teach(teacher, Budget(queries=6))
    assert (figures["replies"], figures["unasked"], figures["ended_by"]) == (6 - len(lost), len(lost), "queries")


def test_what_is_closed_as_not_billed_after_a_kill_buys_the_rest(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(6))
    with lives() as found, serve(answer, fault=dies_at_the_third(found)) as server:
        plain = settings(server, concurrency=1, keep_at_provider=False)
        killed_under_way(place, found, plain, output_tokens=6 * 256)
        teacher, budget = Teacher.model_validate(plain), Budget(output_tokens=6 * 256)
        used = place.total().output_tokens
        budget = Budget(output_tokens=used + 256)
        with pytest.raises(UserError, match=r"budget\.output_tokens: is used up"):
            place.teach(teacher, budget)
        with Database(place.store) as database:
            ledger = Ledger(database)
            take_words(ledger, [Word(row["id"], None) for row in ledger.open_attempts()], False)
        figures = place.teach(teacher, budget)
    assert (figures["replies"], figures["ended_by"]) == (6, None)


def test_the_first_ctrl_c_lets_land_what_is_under_way_and_the_same_command_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path, questions(24))
    with lives() as found, serve(answer, latency=0.2) as server:

        def interrupt(number: int, request: Request) -> None:
            if number == 6 and found.child is not None:
                os.kill(found.child, signal.SIGINT)

        server.office.fault = interrupt
        life = life_of(place, settings(server, concurrency=4, keep_at_provider=False), queries=24)
        assert found.live(life) == 1
        assert left_open(place) == []
        assert found.live(life) == 0
        assert sorted(times_billed(server.books).values()) == [1] * 24
    assert len(place.replies()) == 24


class Own(Scripted):
    """A provider that a test writes."""

    def reply(self, text: str, sample: int) -> str | None:
        return None


def buy(provider: Own, teacher: Teacher, store: Path, count: int) -> Purchase:
    """Buy as the teach stage does."""

    async def whole(buyer: Buyer) -> Purchase:
        with at_interrupt(buyer.stop):
            return await buyer.buy(jobs_of(teacher, provider, questions(count)), lambda done=1: None)

    with Database(store) as database:
        terms = Terms(Payer("run"), Tariff("m", None, "test"), Limits())
        with Desk(database) as desk:
            return asyncio.run(whole(Buyer(provider, desk, Ledger(database), ReplyStore(database), terms, teacher)))


def test_a_second_ctrl_c_gives_up_what_is_under_way_which_stays_charged(tmp_path: Path) -> None:
    class Silent(Own):
        async def ask(self, request: Request, tag: str) -> Answer:
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(0.01)
            await asyncio.Event().wait()
            raise AssertionError

    teacher, store = Teacher(model="m", concurrency=1), tmp_path / "store.sqlite"
    with pytest.raises(KeyboardInterrupt):
        buy(Silent(teacher, []), teacher, store, 3)
    assert outcome(store, 1) == "unknown"


def test_a_ctrl_c_does_not_wait_for_a_pause_that_the_provider_asked_for(tmp_path: Path) -> None:
    class Busy(Own):
        async def ask(self, request: Request, tag: str) -> Answer:
            signal.raise_signal(signal.SIGINT)
            return Answer("Answer: yes", "stop", 1, 1)

    teacher = Teacher(model="m", concurrency=1, requests_per_minute=1)
    purchase = buy(Busy(teacher, []), teacher, tmp_path / "store.sqlite", 3)
    assert isinstance(purchase.stopped, Stopped)


def test_a_command_that_is_stopped_says_that_it_can_go_on() -> None:
    words = ["teacher", "serve", "--port", "0"]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("bridge-distill: stopped; what is done is kept")


def test_replies_that_a_full_disk_does_not_take_are_held_until_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, billed = tmp_path / "store.sqlite", []

    class Filling(Own):
        """The disk is full when the tenth reply is billed, and free when that was told."""

        async def ask(self, request: Request, tag: str) -> Answer:
            billed.append(tag)
            if len(billed) == 10:
                limit_pages(1)
                self.freeing = asyncio.create_task(free())
            return Answer("word " * 5000, "stop", 1, 1)

    def limit_pages(most: int) -> None:
        with database.transaction() as link:
            link.execute(f"PRAGMA max_page_count = {most}")

    async def free() -> None:
        told = ""
        while "waits in memory" not in told:
            await asyncio.sleep(0.01)
            told += capsys.readouterr().err
        limit_pages(10**6)

    teacher = Teacher(model="m", concurrency=8)
    provider = Filling(teacher, [])
    with Database(store) as database:
        ledger, replies = Ledger(database), ReplyStore(database)
        jobs = jobs_of(teacher, provider, questions(60))
        with Desk(database) as desk:
            terms = Terms(Payer("run"), Tariff("m", None, "test"), Limits())
            buying = Buyer(provider, desk, ledger, replies, terms, teacher).buy(jobs, lambda done=1: None)
            purchase = asyncio.run(buying)
        assert len(replies.get(job.hash for job in jobs)) == len(billed) < 60
    assert "database or disk is full" in str(purchase.stopped)
