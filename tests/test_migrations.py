"""A store that another version wrote: brought up to date whole, or left as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bridge_distill import artifacts
from bridge_distill.config import Budget, Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import Payer, Spend
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.schema import MIGRATIONS
from classroom import Place, recorded
from shop import fails, says, shows

TIME = "2026-01-02T03:04:05.678+00:00"
# run, request's place, outcome, what is charged, worst case
ATTEMPTS = [
    ("old", 0, "settled", (1, 50, 20, 90), (200, 100, 400)),
    ("old", 1, "settled", (1, 51, 21, 93), (200, 100, 400)),
    ("old", 2, "unknown", (1, 200, 100, 400), (200, 100, 400)),
    ("old/arm", 2, "reserved", (1, 200, 100, 400), (200, 100, 400)),
    ("other", 2, "refused", (1, 0, 0, 0), (200, 100, 400)),
    ("other", 2, "released", (0, 0, 0, 0), (200, 100, 400)),
]


@contextmanager
def earlier(path: Path) -> Iterator[sqlite3.Connection]:
    """A file with the first four statements only."""
    with closing(sqlite3.connect(path, isolation_level=None)) as link:
        link.execute("PRAGMA journal_mode=WAL")
        for statement in MIGRATIONS[:4]:
            link.execute(statement)
        link.execute("PRAGMA user_version=4")
        yield link


def fill(link: sqlite3.Connection, place: Place, teacher: Teacher) -> None:
    """Attempts of every kind, their totals, and the replies of the first two requests, as that version wrote them."""
    provider = providers.get(teacher.provider, "test")(teacher, place.pool)
    jobs = jobs_of(teacher, provider, place.pool[::-1])
    for run, index, outcome, charged, worst in ATTEMPTS:
        values = (TIME, run, jobs[index].hash, "replay", None, None, "unpriced", *worst, *charged, outcome, "a note")
        marks = ", ".join("?" * len(values))
        number = link.execute(f"INSERT INTO attempts VALUES (NULL, {marks})", values).lastrowid
        link.execute(
            """INSERT INTO totals VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET
            queries = queries + excluded.queries, input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens, usd_micros = usd_micros + excluded.usd_micros""",
            (run, *charged),
        )
        if outcome == "settled":
            job = jobs[index]
            row = (job.hash, TIME, number, job.identity, f"Old.\nAnswer: {job.question.answer}", "stop", *charged[1:])
            link.execute(f"INSERT INTO replies VALUES ({', '.join('?' * len(row))})", row)


def test_totals_replies_and_open_attempts_of_an_earlier_version_are_all_there(tmp_path: Path) -> None:
    place, teacher = Place(tmp_path, recorded(3)), Teacher(provider="replay")
    with earlier(place.store) as link:
        fill(link, place, teacher)
    with Database(place.store) as database:
        ledger = Ledger(database)
        totals = [ledger.total(Payer(run)) for run in ("old", "old/arm", "other")]
        assert totals == [Spend(3, 301, 141, 583), Spend(1, 200, 100, 400), Spend(1, 0, 0, 0)]
        assert ledger.total(Payer(""), "store") == Spend(5, 501, 241, 983)
        open_ = [(row["run"], row["outcome"], row["note"]) for row in ledger.open_attempts()]
        assert open_ == [("old", "unknown", "a note"), ("old/arm", "reserved", "a note")]
        assert ledger.outcomes("other") == {"refused": 1, "released": 1}
        assert database.rows("PRAGMA integrity_check")[0][0] == "ok"
    figures = place.teach(teacher, Budget(queries=1), run="new")
    assert (figures["queries"], figures["from_store"], figures["replies"]) == (1, 2, 3)
    assert [reply.text[:4] for reply in artifacts.replies(tmp_path / "teach")] == ["Old.", "Old.", "Firs"]


def test_the_commands_bring_a_store_up_to_date_and_close_what_was_open(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(3))
    with earlier(place.store) as link:
        fill(link, place, Teacher(provider="replay"))
    found = shows("ledger", "show", place.store)
    assert found["store"] == {
        **{"queries": 5, "input_tokens": 501, "output_tokens": 241},
        "usd": "0.000983",
        "replies": 2,
    }
    assert [row["id"] for row in found["open"]] == [3, 4]
    says("ledger", "reconcile", place.store, "--not-billed", 3, "--billed", "4=7,8")
    assert shows("ledger", "show", place.store)["store"]["input_tokens"] == 108


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(3))
    with earlier(place.store) as link:
        fill(link, place, Teacher(provider="replay"))
        # In the way of a later statement, when earlier ones have changed the file.
        link.execute("CREATE TABLE recoverable (nonsense TEXT)")
    before = dump(place.store)
    for _ in range(2):
        with pytest.raises(UserError, match=r"store: .* cannot be used \(table recoverable already exists\)"):
            Database(place.store)
        assert dump(place.store) == before
    assert "cannot be used" in fails("ledger", "show", place.store)
    assert dump(place.store) == before


def dump(path: Path) -> tuple[list[str], int]:
    with closing(sqlite3.connect(path)) as link:
        return list(link.iterdump()), link.execute("PRAGMA user_version").fetchone()[0]


def test_a_file_of_a_newer_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    Database(store).close()
    with closing(sqlite3.connect(store)) as link:
        link.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    before = dump(store)
    for command in (["ledger", "show"], ["ledger", "reconcile"]):
        assert fails(*command, store) == (
            f"store: {store} was written by a newer version; upgrade bridge-distill, or set store to another file."
        )
    assert dump(store) == before


def test_several_connections_may_open_an_earlier_file_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, recorded(3))
    with earlier(place.store) as link:
        fill(link, place, Teacher(provider="replay"))

    def total(_: int) -> Spend:
        with Database(place.store) as database:
            return Ledger(database).total(Payer("old"))

    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(total, range(6))) == {Spend(3, 301, 141, 583)}
