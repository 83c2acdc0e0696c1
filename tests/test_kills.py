"""The teach stage killed with SIGKILL, again and again, and two of them at once on one store and one cap."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.config import Teacher
from bridge_distill.teacher import serve
from bridge_distill.teacher.budget import Payer
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.loopback import Billed, Fault, Server
from bridge_distill.teacher.providers import Request
from bridge_distill.teacher.reconcile import Word, ask_provider, take_words
from classroom import KEY_ENV, PRICE, Place, answer, billed, questions, times_billed
from effort import repeats

KILLS = repeats(300)
QUESTIONS = 200
BATCH_KILLS = 30
HOSTILE = [
    Fault("status", 429, {"Retry-After": "0"}),
    Fault("status", 500, {"Retry-After": "0"}),
    Fault("status", 500, {"Retry-After": "0"}, billed=True),
    Fault("reset"),
    Fault("reset", billed=True),
    Fault("garbage"),
]


class Lives:
    """The process that forks a child a life; one thread may kill the child while another waits for it."""

    def __init__(self) -> None:
        path = Path(__file__).with_name("lives.py")
        self._process = subprocess.Popen(
            [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.child: int | None = None

    def live(self, life: dict[str, Any], seconds: float | None = None) -> int:
        """Live once, killed after some seconds if they are given; returns the exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(life), file=self._process.stdin, flush=True)
        self.child = int(self._process.stdout.readline())
        timer = threading.Timer(seconds, self.kill) if seconds is not None else None
        if timer is not None:
            timer.start()
        code = int(self._process.stdout.readline())
        self.child = None
        if timer is not None:
            timer.cancel()
        return code

    def kill(self) -> None:
        """Kill the child, if there is one."""
        if self.child is not None:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def lives() -> Iterator[Lives]:
    found = Lives()
    try:
        yield found
    finally:
        found.close()


def settings(server: Server, **changes: Any) -> dict[str, Any]:
    price = {"input": str(PRICE.input), "output": str(PRICE.output)}
    plain = {"model": "m", "base_url": server.base_url, "key_env": KEY_ENV, "prices": {"m": price}}
    return {**plain, "timeout": 5, "keep_at_provider": True, **changes}


class Hostility:
    """Faults at random, and now and then the death of the child while a request is in the server's hands."""

    def __init__(self, draw: random.Random, lives: Lives) -> None:
        self.draw, self.lives = draw, lives
        self.kill_after: int | None = None
        self._lock = threading.Lock()

    def __call__(self, number: int, request: Request) -> Fault | None:
        with self._lock:
            if self.kill_after is not None:
                self.kill_after -= 1
                if self.kill_after < 0:
                    self.kill_after = None
                    self.lives.kill()
                    return Fault("reset", billed=self.draw.random() < 0.5)
            return self.draw.choice(HOSTILE) if self.draw.random() < 0.15 else None


def live_once(draw: random.Random, found: Lives, hostility: Hostility, life: dict[str, Any]) -> int:
    """One life with a death of one of three kinds before it: at a statement, at a request, at a moment."""
    kind = draw.choice(("request", "statement", "moment"))
    hostility.kill_after = draw.randrange(3) if kind == "request" else None
    statement = draw.randrange(1, 70) if kind == "statement" else 0
    return found.live({**life, "statement": statement}, draw.uniform(0.02, 0.2) if kind == "moment" else None)


def close_what_was_not_billed(store: Path, server: Server) -> None:
    """The user looks into the provider's books for what is in doubt, and says what was never billed."""
    tags = {line.tag for line in server.books}
    with Database(store) as database:
        ledger = Ledger(database)
        rows = ledger.open_attempts()
        take_words(ledger, [Word(row["id"], None) for row in rows if ledger.tag(row["id"]) not in tags], False)


def test_kills_lose_no_reply_bill_none_twice_and_leave_equal_books(tmp_path: Path) -> None:
    store, draw = tmp_path / "store.sqlite", random.Random(11)
    kills, places = 0, []
    with lives() as found, serve(answer) as server:
        hostility = server.office.fault = Hostility(draw, found)
        teacher = settings(server, concurrency=3)
        while kills < KILLS:
            pool = questions(QUESTIONS * (len(places) + 1))[-QUESTIONS:]
            place = Place(tmp_path / str(len(places)), pool)
            places.append(place)
            life = {"root": str(place.root), "store": str(store), "run": f"run-{len(places)}", "teacher": teacher}
            life["budget"] = {"queries": 9999, "usd": 1}
            code = -signal.SIGKILL
            while code == -signal.SIGKILL:
                dies = kills < KILLS
                code = live_once(draw, found, hostility, life) if dies else found.live(life)
                kills += code == -signal.SIGKILL
                if kills % 20 == 0:
                    close_what_was_not_billed(store, server)
            assert code == 0
        hostility.kill_after, server.office.fault = None, None
        with Database(store) as database:
            ask_provider(Teacher.model_validate(teacher), database)
        close_what_was_not_billed(store, server)
        books = server.books
    for place in places:
        assert sorted(place.replies()) == sorted(question.id for question in place.pool)
    check_books(store, books)


def check_books(store: Path, books: list[Billed]) -> None:
    """Each bill is one settled attempt; a question was billed again only where its reply was lost on the way."""
    with Database(store) as database:
        ledger = Ledger(database)
        settled = database.rows("SELECT * FROM attempts WHERE outcome = 'settled'")
        total, real = ledger.total(Payer(""), "store"), billed(books)
        assert ledger.open_attempts() == []
        assert database.rows("PRAGMA integrity_check")[0][0] == "ok"
        assert sorted(ledger.tag(row["id"]) for row in settled) == sorted(line.tag for line in books)
    assert (total.input_tokens, total.output_tokens) == (real.input_tokens, real.output_tokens)
    assert 0 <= total.usd_micros - real.usd_micros <= len(books)
    found_at_once = Counter(row["request_hash"] for row in settled if not row["note"])
    assert max(found_at_once.values()) == 1


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_batch_survives_kills_and_is_never_paid_twice(tmp_path: Path, provider: str) -> None:
    place, draw, kills = Place(tmp_path, questions(40)), random.Random(5), 0
    with lives() as found, serve(answer) as server:
        url = server.base_url if provider == "openai" else server.root_url
        teacher = settings(server, provider=provider, base_url=url, keep_at_provider=False, batch=True)
        life = {"root": str(tmp_path), "store": str(place.store), "run": "run", "budget": {"queries": 999}}
        life["teacher"] = {**teacher, "poll_seconds": 0.05}
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            statement = draw.randrange(1, 90 + 20 * kills) if kills < BATCH_KILLS else 0
            code = found.live({**life, "statement": statement})
            kills += code == -signal.SIGKILL
        books = server.books
    assert code == 0
    assert kills > BATCH_KILLS // 2
    assert sorted(place.replies()) == sorted(question.id for question in place.pool)
    assert sorted(times_billed(books).values()) == [1] * 40
    total, real = place.total(), billed(books)
    assert (total.input_tokens, total.output_tokens) == (real.input_tokens, real.output_tokens)


def test_two_processes_at_concurrency_64_share_a_store_and_a_cap(tmp_path: Path) -> None:
    store, pool, codes = tmp_path / "store.sqlite", questions(400), []
    with lives() as one, lives() as other, serve(answer, latency=0.02) as server:
        teacher = settings(server, concurrency=64, keep_at_provider=False)

        def run(found: Lives, name: str, order: int) -> None:
            place = Place(tmp_path / name, pool[::order])
            life = {"root": str(place.root), "store": str(store), "run": name, "teacher": teacher}
            codes.append(found.live({**life, "budget": {"queries": 400, "store": {"queries": 300, "usd": 1}}}))

        # The one begins where the other ends, so that both pay, and meet.
        threads = [threading.Thread(target=run, args=args) for args in ((one, "up", 1), (other, "down", -1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        books = server.books
    assert codes == [0, 0]
    assert len(books) == 300
    assert max(times_billed(books).values()) == 1
    with Database(store) as database:
        ledger = Ledger(database)
        total = ledger.total(Payer(""), "store")
        runs = [ledger.total(Payer(name)).queries for name in ("up", "down")]
    assert total.queries == sum(runs) == 300
    assert (total.input_tokens, total.output_tokens) == (billed(books).input_tokens, billed(books).output_tokens)
    assert min(runs) > 0


def test_the_same_questions_in_two_processes_are_paid_for_once(tmp_path: Path) -> None:
    store, codes = tmp_path / "store.sqlite", []
    with lives() as one, lives() as other, serve(answer, latency=0.05) as server:
        teacher = settings(server, concurrency=8, keep_at_provider=False)

        def run(found: Lives, name: str) -> None:
            place = Place(tmp_path / name, questions(60))
            life = {"root": str(place.root), "store": str(store), "run": name, "teacher": teacher}
            codes.append(found.live({**life, "budget": {"queries": 100}}))

        threads = [threading.Thread(target=run, args=args) for args in ((one, "first"), (other, "second"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert codes == [0, 0]
        assert sorted(times_billed(server.books).values()) == [1] * 60
