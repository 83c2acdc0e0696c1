"""The ledger on the command line: what it says of a store, what it writes out, and how what is open is closed."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import resource
import shlex
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts, practice
from bridge_distill.config import Budget, Teacher
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Choice
from bridge_distill.runfile import read_run
from bridge_distill.teacher import serve, teach
from bridge_distill.teacher.budget import Limits, Payer, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.ledger import Ask, Ledger, Terms
from bridge_distill.teacher.loopback import Fault, Server
from bridge_distill.teacher.providers import Answer
from bridge_distill.teacher.reconcile import recover
from bridge_distill.teacher.scripted import Scripted
from bridge_distill.teacher.store import request_hash
from classroom import KEY_ENV, Place, answer, billed, http_teacher, once, questions
from shop import TARIFF, Shop, fails, held_elsewhere, identity_of, outcome, says, shop, shows

RUN_FILE = """
name: legal
data: {train: 'practice:legal?n=30&seed=1', test: 'practice:legal?n=5&seed=2', answer: yes_no}
budget: {queries: 20%, study: {name: s, usd: 3}}
teacher: {provider: expert, prices: {expert: {input: 1, output: 2}}}
arms:
  dear: {budget.queries: 40%}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(RUN_FILE)
    return path


def at_server(folder: Path, server: Server, **teacher: object) -> Path:
    """A run file whose teacher is the server and whose store is that of ``Place``."""
    path = folder / "run.yaml"
    prices = {"m": {"input": 0.15, "output": 0.6}}
    options = {"model": "m", "base_url": server.base_url, "key_env": KEY_ENV, "prices": prices, **teacher}
    data = {"train": "practice:legal?n=9&seed=1", "test": "practice:legal?n=5&seed=2", "answer": "yes_no"}
    tree = {"name": "run", "data": data, "budget": {"queries": 9}, "teacher": options, "store": "store.sqlite"}
    path.write_text(json.dumps(tree))
    return path


@contextmanager
def not_root() -> Iterator[None]:
    """Root may do anything; nobody may not."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_totals_are_those_of_the_ledger_by_run_by_study_and_of_the_store(store: Path) -> None:
    with shop(store) as here:
        here.buy(number=0, study="s")
        here.buy(number=1, run="other", study="s")
        here.buy(number=2, run="alone")
        here.doubt()
        here.ledger.release(here.reserve(), "refused", sent=True)
        total, study = here.ledger.total(Payer("", ""), "store"), here.ledger.total(Payer("", "s"), "study")
    found = shows("ledger", "show", store)
    assert found["store"] == {"queries": 5, "input_tokens": 1300, "output_tokens": 130, "usd": "0.000273", "replies": 3}
    assert (total.queries, total.usd_micros) == (5, 273)
    assert found["studies"] == {"s": {"queries": 2, "input_tokens": 200, "output_tokens": 20, "usd": "0.000042"}}
    assert study.usd_micros == 42
    assert [(row["run"], row["study"], row["attempts"]) for row in found["runs"]] == [
        ("alone", "", {"settled": 1}),
        ("legal", "", {"refused": 1, "unknown": 1}),
        ("legal", "s", {"settled": 1}),
        ("other", "s", {"settled": 1}),
    ]
    words = says("ledger", "show", store)
    assert "run legal (s)" in words
    assert "0.000273" in words


def test_one_run_alone_is_shown_beside_the_total_of_the_store(store: Path) -> None:
    with shop(store) as here:
        here.buy(number=0)
        here.doubt(run="other")
    found = shows("ledger", "show", store, "--run", "legal")
    assert [row["run"] for row in found["runs"]] == ["legal"]
    assert found["open"] == []
    assert found["store"]["queries"] == 2
    assert fails("ledger", "show", store, "--run", "legall").startswith(
        "--run legall: is no run of this store; did you mean 'legal'?"
    )


def test_caps_stand_as_written_until_the_data_are_frozen_and_then_in_numbers_beside_plan_and_total(
    tmp_path: Path, run_file: Path
) -> None:
    run = read_run(run_file).run
    assert run.store is not None
    with shop(run.store):
        before = shows("ledger", "show", run_file)["caps"]
    written = {"queries": "20%", "input_tokens": None, "output_tokens": None, "usd": None}
    assert before[0] == {
        "run": "legal",
        "caps": {"run": written, "study": {**dict.fromkeys(written), "usd": "3"}},
        "passed": None,
    }
    says("run", run_file, "--until", "data")
    data, select = tmp_path / "runs/legal/data", tmp_path / "select"
    select.mkdir()
    pool = artifacts.train_questions(data)
    write_rows(select / artifacts.CHOICES, Choice, [Choice(q.id, n < 9, n, None, "") for n, q in enumerate(pool)])
    figures = teach(run.teacher, run.budget, "legal", data, select, run.store, select)
    found = shows("ledger", "show", run_file)
    assert [(row["run"], row["caps"]["run"]["queries"]) for row in found["caps"]] == [("legal", 6), ("legal/dear", 12)]
    assert found["caps"][0]["caps"]["study"]["usd"] == "3.000000"
    [plan] = found["plans"]
    assert (plan["requests"], plan["expected"]["queries"]) == (6, 6)
    assert plan["charged"] == {name: figures[name] for name in ("queries", "input_tokens", "output_tokens", "usd")}
    assert Decimal(plan["charged"]["usd"]) <= Decimal(plan["worst"]["usd"])
    words = says("ledger", "show", run_file)
    assert all(part in words for part in ("cap on run legal/dear", "plan of legal", "charged since", "6 settled"))


def test_each_plan_of_a_run_has_what_was_charged_until_the_next(tmp_path: Path) -> None:
    for name, few in (("first", 2), ("second", 5)):
        place = Place(tmp_path / name, practice.make("legal", few, 1, 0.0))
        place.store = tmp_path / "store.sqlite"
        place.teach(Teacher(provider="expert"), Budget(queries=9))
    found = shows("ledger", "show", tmp_path / "store.sqlite")
    assert [plan["charged"]["queries"] for plan in found["plans"]] == [2, 3]


def test_open_attempts_are_shown_with_the_exact_commands_that_close_them(store: Path) -> None:
    with shop(store) as here:
        lost, other = here.doubt(), here.doubt("HTTP 500")
    [first, second] = shows("ledger", "show", store, "--open")["open"]
    assert (first["id"], first["run"], first["model"], first["note"]) == (lost, "legal", "m", "no reply within 60 s")
    assert first["worst"] == {"input_tokens": 1000, "output_tokens": 100, "usd": "0.000210"}
    assert not first["can_be_asked"]
    not_billed, as_billed = first["commands"][0], second["commands"][1]
    for command in (not_billed, as_billed):
        assert command in says("ledger", "show", store, "--open")
        says(*shlex.split(command)[1:])
    assert (outcome(store, lost), outcome(store, other)) == ("refused", "settled")
    assert shows("ledger", "show", store)["store"]["usd"] == "0.000210"
    assert shows("ledger", "show", store, "--open")["open"] == []


def test_of_many_open_attempts_the_first_are_shown_unless_all_are_asked_for(store: Path) -> None:
    with shop(store) as here:
        attempts = [here.doubt() for _ in range(15)]
    assert "and 5 more: add --open" in says("ledger", "show", store)
    words = says("ledger", "show", store, "--open")
    assert all(f"--not-billed {attempt}" in words for attempt in attempts)
    result = shows("ledger", "reconcile", store, "--accept-rest")
    assert result["user"]["accepted"] == attempts
    assert {outcome(store, attempt) for attempt in attempts} == {"accepted"}


def test_the_users_words_are_taken_all_or_none(store: Path) -> None:
    with shop(store) as here:
        one, two, three = here.doubt(), here.doubt(), here.doubt()
        closed = here.buy()
    bad = [
        (["--billed", "nonsense"], "is not ID=INPUT,OUTPUT"),
        (["--billed", f"{two}=5"], "is not ID=INPUT,OUTPUT"),
        (["--billed", f"{two}=-5,1"], "is not ID=INPUT,OUTPUT"),
        (["--billed", f"{two}=9999999999,1"], "is more than one request can use"),
        (["--not-billed", f"{one}"], "is spoken of twice"),
        (["--not-billed", f"{closed}"], "is not open, or is still under way"),
        (["--not-billed", "999999"], "is not open, or is still under way"),
        (["--run", "nobody"], "is no run of this store"),
        (["--host-gone", "moon"], "has nothing under way"),
        (["--give-up", "bb-1"], "is no uncollected batch"),
    ]
    for words, problem in bad:
        assert problem in fails("ledger", "reconcile", store, "--billed", f"{one}=5,5", "--accept-rest", *words)
        assert {outcome(store, attempt) for attempt in (one, two, three)} == {"unknown"}
    result = shows("ledger", "reconcile", store, "--billed", f"{one}=5,7", "--not-billed", two)
    assert result["user"] == {"said": [one, two], "accepted": [], "above": []}
    assert [row["id"] for row in result["open"]] == [three]
    rows = {row["id"]: row for row in exported(store)}
    assert (rows[one]["outcome"], rows[one]["input_tokens"], rows[one]["usd"]) == ("settled", 5, "0.000005")
    assert rows[one]["note"] == "billed, by the user's word"
    assert (rows[two]["outcome"], rows[two]["queries"], rows[two]["usd"]) == ("refused", 1, "0.000000")


def test_only_the_attempts_of_the_named_run_are_closed(store: Path) -> None:
    with shop(store) as here:
        mine, other = here.doubt(), here.doubt(run="other")
    assert "is not open in run 'legal'" in fails("ledger", "reconcile", store, "--run", "legal", "--not-billed", other)
    says("ledger", "reconcile", store, "--run", "legal", "--accept-rest")
    assert (outcome(store, mine), outcome(store, other)) == ("accepted", "unknown")


def test_a_bill_above_the_worst_case_is_recorded_and_the_cap_that_it_passes_is_named(tmp_path: Path) -> None:
    with serve(answer) as server:
        run_file = at_server(tmp_path, server)
    run_file.write_text(run_file.read_text().replace('{"queries": 9}', '{"usd": 0.001}'))
    with shop(tmp_path / "store.sqlite") as here:
        attempt = here.doubt(run="run")
    result = shows("ledger", "reconcile", run_file, "--billed", f"{attempt}=100000,100")
    assert result["user"]["above"] == [attempt]
    assert result["passed"] == ["budget.usd of run run"]
    words = says("ledger", "show", run_file)
    assert "caps that are passed, so that nothing more is bought under them: budget.usd of run run" in words


def test_what_a_living_process_has_under_way_is_never_touched(store: Path) -> None:
    with shop(store) as here:
        mine = here.doubt()
    with held_elsewhere(store) as (held, process):
        assert "is still under way" in fails("ledger", "reconcile", store, "--not-billed", held)
        says("ledger", "reconcile", store, "--accept-rest")
        assert (outcome(store, mine), outcome(store, held)) == ("accepted", "reserved")
        [row] = shows("ledger", "show", store)["under_way"]
        assert (row["process"], row["here"], row["attempts"], row["commands"]) == (process.pid, True, 1, [])
        process.kill()
        process.wait()
        [left] = shows("ledger", "show", store)["open"]
        assert left["note"] == "the process ended while it was under way"
        says("ledger", "reconcile", store, "--accept-rest")
    assert outcome(store, held) == "accepted"


def test_attempts_of_another_host_wait_until_the_user_says_that_it_is_gone(store: Path) -> None:
    with shop(store) as here:
        attempt = here.reserve()
        with here.database.transaction() as link:
            link.execute("UPDATE attempts SET owner = 'moon 17 1.5'")
    found = shows("ledger", "show", store)
    assert (found["open"], found["under_way"][0]["host"], found["under_way"][0]["here"]) == ([], "moon", False)
    [command] = found["under_way"][0]["commands"]
    says(*shlex.split(command)[1:])
    assert [row["id"] for row in shows("ledger", "show", store)["open"]] == [attempt]


def test_a_reply_that_the_provider_kept_is_fetched_even_against_the_users_word(tmp_path: Path) -> None:
    place, lost, away = Place(tmp_path, questions(4)), Fault("reset", billed=True), [Fault("status", 500)]

    def calls(number: int, call: str) -> Fault | None:
        return away[0] if away and call == "kept" else None

    with serve(answer, fault=once(lost, 1, 2), calls=calls) as server:
        teacher = http_teacher(server, keep_at_provider=True, attempts=1, concurrency=1)
        assert place.teach(teacher, Budget(queries=9))["replies"] == 2
        away.clear()
        run_file = at_server(tmp_path, server, keep_at_provider=True)
        [first, second] = shows("ledger", "show", run_file, "--open")["open"]
        assert first["can_be_asked"]
        assert first["commands"][0] == f"bridge-distill ledger reconcile {run_file}"
        assert shows("ledger", "show", place.store)["open"][0]["commands"][0].endswith("RUNFILE")
        result = shows("ledger", "reconcile", run_file, "--not-billed", first["id"])
        assert (result["provider"]["settled"], result["user"]["said"]) == ([first["id"], second["id"]], [])
        assert place.total().input_tokens == billed(server.books).input_tokens
        assert place.teach(teacher, Budget(queries=4))["replies"] == 4
        assert len(server.books) == 4


def test_why_the_provider_could_not_help_is_said_and_a_missing_key_closes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, lost = Place(tmp_path, questions(2)), Fault("reset")
    with serve(answer, fault=once(lost, 0)) as server:
        teacher = http_teacher(server, keep_at_provider=True, attempts=1, concurrency=1)
        place.teach(teacher, Budget(queries=9))
        run_file = at_server(tmp_path, server, keep_at_provider=True)
        result = shows("ledger", "reconcile", run_file)
        [attempt] = result["open"]
        assert list(result["provider"]["silent"].values()) == ["the provider has no reply under its name"]
        monkeypatch.delenv(KEY_ENV)
        assert KEY_ENV in fails("ledger", "reconcile", run_file, "--accept-rest")
        assert outcome(place.store, attempt["id"]) == "unknown"
        says("ledger", "reconcile", place.store, "--accept-rest")
    assert outcome(place.store, attempt["id"]) == "accepted"


def test_an_attempt_that_another_process_closes_meanwhile_is_left_as_it_is(store: Path) -> None:
    class Late(Scripted):
        def reply(self, text: str, sample: int) -> str | None:
            return None

        async def recover(self, tag: str, since: datetime) -> Answer | None:
            with Database(store) as other:
                Ledger(other).accept(int(tag.rsplit("-", 1)[1]))
            return Answer("late", "stop", 1, 1)

    identity = identity_of(0).replace("openai", "expert")
    with shop(store) as here, Desk(here.database) as desk:
        terms = Terms(Payer("legal"), TARIFF, Limits())
        [grant] = here.ledger.reserve(terms, [Ask(request_hash(identity), Usage(9, 9), identity)]).grants
        here.ledger.doubt(grant.attempt, "lost")
        provider = Late(Teacher(provider="expert", model="m"), [])
        assert asyncio.run(recover(provider, desk, here.ledger, here.replies)).settled == []
        assert here.replies.get([request_hash(identity)]) == {}
    assert outcome(store, grant.attempt) == "accepted"


KILLED_WHILE_IT_WAITS = """
import json, sys
from pathlib import Path
from bridge_distill.config import Budget, Teacher
from bridge_distill.teacher import teach
root, teacher = Path(sys.argv[1]), Teacher.model_validate(json.loads(sys.argv[2]))
teach(teacher, Budget(queries=9), "run", root / "data", root / "select", root / "store.sqlite", root / "teach")
"""


@contextmanager
def abandoned_batch(tmp_path: Path) -> Iterator[tuple[Place, Server]]:
    """A batch whose process is killed at the first look at it; the next looks find its results."""
    place, children = Place(tmp_path, questions(4)), []

    def kill(number: int, call: str) -> Fault | None:
        if call == "poll" and number == 0:
            children[0].kill()
        return None

    with serve(answer, calls=kill) as server:
        teacher = http_teacher(server, batch=True, poll_seconds=0.05).model_dump(mode="json")
        command = [sys.executable, "-c", KILLED_WHILE_IT_WAITS, str(tmp_path), json.dumps(teacher)]
        children.append(subprocess.Popen(command))
        children[0].wait(60)
        yield place, server


def test_a_batch_that_nobody_waits_for_is_shown_and_collected(tmp_path: Path) -> None:
    with abandoned_batch(tmp_path) as (place, server):
        run_file = at_server(tmp_path, server, batch=True, poll_seconds=0.05)
        found = shows("ledger", "show", run_file)
        [batch] = found["batches"]
        assert (batch["run"], batch["attempts"], batch["state"], batch["waited_for"]) == ("run", 4, "submitted", False)
        assert found["open"] == []
        assert batch["commands"][0] == f"bridge-distill ledger reconcile {run_file}"
        result = shows("ledger", "reconcile", run_file)
        assert result["provider"]["collected"] == [batch["name"]]
        assert (result["batches"], result["open"]) == ([], [])
        assert place.total().input_tokens == billed(server.books).input_tokens
        assert {row["batch"] for row in exported(place.store)} == {batch["name"]}
        assert {row["batch_id"] for row in exported(place.store)} == {batch["provider_id"]}


def test_a_batch_that_is_given_up_leaves_attempts_that_the_user_can_close(tmp_path: Path) -> None:
    with abandoned_batch(tmp_path) as (place, _):
        [batch] = shows("ledger", "show", place.store)["batches"]
    give_up = shlex.split(batch["commands"][1])[1:]
    first, *others = (row["id"] for row in exported(place.store))
    result = shows(*give_up, "--not-billed", first, "--accept-rest")
    assert (result["user"]["said"], result["user"]["accepted"]) == ([first], others)
    assert (result["batches"], result["open"]) == ([], [])


def exported(store: Path) -> list[dict[str, Any]]:
    out = store.parent / "attempts.jsonl"
    says("ledger", "export", store, "--out", out, "--force")
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_every_attempt_is_exported_with_exact_money_for_its_owner_only(store: Path, tmp_path: Path) -> None:
    with shop(store) as here:
        here.buy(number=0, study="s")
        here.doubt('a "quoted" reason,\nof two lines')
    rows = exported(store)
    assert [row["outcome"] for row in rows] == ["settled", "unknown"]
    assert rows[0] | {"time": ""} == {
        **{"id": 1, "time": "", "run": "legal", "study": "s", "model": "m"},
        **{"request_hash": rows[0]["request_hash"], "outcome": "settled", "note": ""},
        **{"queries": 1, "input_tokens": 100, "output_tokens": 10, "usd": "0.000021"},
        **{"worst_input_tokens": 1000, "worst_output_tokens": 100, "worst_usd": "0.000210"},
        **{"price_input": "0.15", "price_output": "0.60", "price_share": "1", "price_source": "test"},
        **{"batch": None, "batch_id": None},
    }
    out = tmp_path / "attempts.csv"
    says("ledger", "export", store, "--out", out)
    with out.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [{name: None if value == "" else value for name, value in row.items()} for row in table] == [
        {name: None if value in ("", None) else str(value) for name, value in row.items()} for row in rows
    ]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_an_export_never_replaces_a_file_by_accident_and_leaves_no_part_of_one(store: Path, tmp_path: Path) -> None:
    with shop(store) as here:
        here.buy()
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert "is there already" in fails("ledger", "export", store, "--out", out)
    assert out.read_text() == "mine"
    assert "end it with .jsonl or .csv" in fails("ledger", "export", store, "--out", tmp_path / "out.xlsx")
    assert "is a folder" in fails("ledger", "export", store, "--out", folder(tmp_path / "x.csv"))
    assert "no is no folder; make it first" in fails("ledger", "export", store, "--out", tmp_path / "no" / "out.csv")
    assert "out.csv is no folder; make it first" in fails("ledger", "export", store, "--out", out / "out.csv")
    says("ledger", "export", store, "--out", out, "--force")
    assert out.read_text().startswith("id,time,run")
    assert not list(tmp_path.glob(".*"))


def test_an_export_never_replaces_the_store_itself(tmp_path: Path) -> None:
    store = tmp_path / "store.csv"
    with shop(store) as here:
        here.buy()
    assert "is the store itself" in fails("ledger", "export", store, "--out", store, "--force")
    assert shows("ledger", "show", store)["store"]["replies"] == 1


def test_an_export_that_a_full_disk_cuts_short_leaves_what_was_there(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    with shop(store) as here, here.database.transaction():
        for _ in range(500):
            here.reserve()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        assert "cannot be written (File too large)" in fails("ledger", "export", store, "--out", out, "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert out.read_text() == "before"
    assert not list(tmp_path.glob(".*"))


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_what_is_no_store_is_refused_in_one_sentence_and_left_as_it_is(tmp_path: Path) -> None:
    foreign, garbage, broken = tmp_path / "other.sqlite", tmp_path / "garbage", tmp_path / "broken.sqlite"
    with sqlite3.connect(foreign) as link:
        link.execute("CREATE TABLE bookmarks (url TEXT)")
    garbage.write_bytes(bytes(range(256)) * 20)
    broken.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    text = tmp_path / "notes.txt"
    text.write_text("just some words")
    problems = {
        foreign: "is a database of another program",
        garbage: "is neither a run file nor a store",
        broken: "cannot be used",
        text: "holds no settings",
        tmp_path: "cannot be read (Is a directory)",
        tmp_path / "absent.sqlite": "cannot be read (No such file or directory)",
    }
    (tmp_path / "replies.jsonl").touch()
    for path, problem in problems.items():
        before = path.read_bytes() if path.is_file() else None
        for command in (["ledger", "show"], ["ledger", "reconcile"], ["replies", "import"]):
            more = [tmp_path / "replies.jsonl"] if command[1] == "import" else []
            assert problem in fails(*command, path, *more)
        assert (path.read_bytes() if path.is_file() else None) == before
    assert not (tmp_path / "absent.sqlite").exists()
    before = foreign.read_bytes()
    with pytest.raises(UserError, match="is a database of another program"):
        Database(foreign)
    assert foreign.read_bytes() == before


def test_before_anything_was_bought_show_says_so_and_nothing_is_created(tmp_path: Path, run_file: Path) -> None:
    assert "nothing was bought yet" in says("ledger", "show", run_file)
    assert shows("ledger", "show", run_file)["bought"] is False
    for command in (["ledger", "reconcile"], ["ledger", "export"], ["replies", "export"]):
        more = ["--out", tmp_path / "out.jsonl"] if command[1] == "export" else []
        assert "nothing was bought yet" in fails(*command, run_file, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


def test_an_error_is_one_sentence_on_standard_error_and_exit_code_two(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge_distill", "ledger", "show", str(tmp_path / "absent")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("bridge-distill: ")


def test_a_store_that_cannot_be_written_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as root:
        place, out = folder(Path(root) / "place"), folder(Path(root) / "out")
        store = place / "store.sqlite"
        with shop(store) as here:
            here.doubt()
        content = store.read_bytes()
        for path, mode in ((Path(root), 0o755), (out, 0o777), (store, 0o444), (place, 0o555)):
            path.chmod(mode)
        with not_root():
            assert len(shows("ledger", "show", store)["open"]) == 1
            says("ledger", "export", store, "--out", out / "attempts.csv")
            assert "cannot be used" in fails("ledger", "reconcile", store, "--accept-rest")
        assert store.read_bytes() == content
        assert [path.name for path in place.iterdir()] == ["store.sqlite"]
        place.chmod(0o755)


def test_a_reader_cannot_write(store: Path) -> None:
    with shop(store) as here:
        here.buy()
    with Database.reading(store) as database, pytest.raises(UserError, match="readonly"):
        Shop(database).buy(number=1)


def test_looking_at_a_store_in_use_sees_what_is_committed_and_disturbs_nobody(store: Path) -> None:
    with shop(store) as here:
        here.buy(number=0)
        with here.database.transaction():
            here.buy(number=1)
            assert shows("ledger", "show", store)["store"]["replies"] == 1
        assert shows("ledger", "show", store)["store"]["replies"] == 2
        assert here.ledger.total(Payer("legal")).queries == 2
    with Database(store) as database:
        assert Ledger(database).total(Payer("legal")).input_tokens == 2 * Usage(100, 10).input_tokens
