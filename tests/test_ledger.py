"""The books: what is charged, what fits under a cap, and what a crash leaves."""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookkeeping import STEPS, TARIFF, Bookkeeping, random_caps, run_interleavings
from bridge_distill.config import Budget, CapSettings, Price, StudyBudget, Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import Caps, Limits, Payer, Spend, Usage, dollars, most_queries, resolve_limits
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.ledger import Ask, Ledger, Reservation, Terms
from bridge_distill.teacher.prices import Tariff, price_of, tariff_of
from bridge_distill.teacher.providers import Answer
from bridge_distill.teacher.store import ReplyStore, request_hash
from effort import repeats
from shop import held_elsewhere

INTERLEAVINGS = repeats(100_000)
FREE = Limits()
RUN = Payer("run")


def terms(limits: Limits = FREE, payer: Payer = RUN, tariff: Tariff = TARIFF) -> Terms:
    return Terms(payer, tariff, limits)


def reserve(ledger: Ledger, worst: Usage, under: Terms | None = None, key: str = "hash") -> int:
    """The attempt that one ask is granted."""
    [grant] = ledger.reserve(under or terms(), [Ask(key, worst)]).grants
    assert grant.state == "granted"
    return grant.attempt


def limits_of(budget: Budget, pool: int = 100, whole: Spend | None = None) -> Limits:
    return resolve_limits(budget, pool, lambda: whole or Spend())


def test_random_interleavings_pass_no_cap_and_forget_no_bill(tmp_path: Path) -> None:
    # Where the folder is in memory, a commit costs microseconds; durability is for the tests that kill.
    memory = Path("/dev/shm")
    folder = memory / f"bridge-distill-{os.getpid()}" if memory.is_dir() else tmp_path
    folder.mkdir(exist_ok=True)
    workers = os.cpu_count() or 1
    shares = [(folder, seed, INTERLEAVINGS // workers + 1) for seed in range(workers)]
    try:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            steps = sum(pool.starmap(run_interleavings, shares), Counter[str]())
    finally:
        folder.rmdir()
    assert set(steps) == set(STEPS)
    assert min(steps.values()) > INTERLEAVINGS // 4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_the_same_in_few_steps_that_can_be_shrunk(
    tmp_path_factory: pytest.TempPathFactory, draw: Random, length: int
) -> None:
    books = Bookkeeping(tmp_path_factory.mktemp("ledger") / "store.sqlite")
    books.begin("run", "study", Limits(random_caps(draw), random_caps(draw), random_caps(draw)))
    for _ in range(length):
        books.act(draw)
        books.check()
    books.database.close()


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.decimals(0, 100, places=4), st.decimals(0, 100, places=4))
def test_money_is_rounded_up_by_less_than_a_millionth(inputs: int, outputs: int, low: Decimal, high: Decimal) -> None:
    charged = Tariff("m", Price(input=low, output=high), "test").micros(Usage(inputs, outputs))
    assert 0 <= charged - (low * inputs + high * outputs) < 1


def test_a_report_above_the_reservation_is_recorded_as_it_is(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, under = Ledger(database), terms(Limits(Caps(output_tokens=100)))
        ledger.settle(reserve(ledger, Usage(1, 60), under), Usage(1, 500))
        assert ledger.total(RUN).output_tokens == 500
        assert ended_by(ledger.reserve(under, [Ask("other", Usage(1, 1))])) == "output_tokens"


def test_an_ended_attempt_cannot_be_ended_again(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)
        attempt = reserve(ledger, Usage(1, 1))
        ledger.settle(attempt, Usage(1, 1))
        with pytest.raises(ValueError, match="not open"):
            ledger.release(attempt)


def ended_by(made: Reservation) -> str | None:
    return None if made.end is None else made.end.cap


def test_runs_have_caps_of_their_own_and_every_attempt_is_a_row(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, limits = Ledger(database), Limits(Caps(queries=1))
        for run in ("one", "two"):
            ledger.settle(reserve(ledger, Usage(10, 10), terms(limits, Payer(run))), Usage(7, 5))
        row = dict(database.rows("SELECT * FROM attempts WHERE run = 'two'")[0])
    assert (row["worst_input_tokens"], row["input_tokens"], row["usd_micros"]) == (10, 7, 5)
    assert (row["price_input"], row["price_source"], row["outcome"]) == ("0.15", "test", "settled")


def test_a_study_and_the_store_have_caps_over_all_their_runs(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)
        limits = Limits(Caps(queries=3), Caps(queries=4), Caps(queries=5))
        asks = [Ask(f"{number}", Usage(1, 1)) for number in range(9)]
        ends = []
        for run, study in (("a", "s"), ("b", "s"), ("c", "t"), ("d", "")):
            made = ledger.reserve(terms(limits, Payer(run, study)), asks)
            ends.append((len(made.grants), ended_by(made)))
    assert ends == [(3, "queries"), (1, "study.queries"), (1, "store.queries"), (0, "store.queries")]


def test_a_reservation_is_of_the_first_that_fit_and_of_nothing_that_is_there(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, store = Ledger(database), ReplyStore(database)
        store.put(ledger, reserve(ledger, Usage(5, 5), key=request_hash("{}")), "{}", Answer("text", "stop", 3, 4))
        asks = [
            Ask("a", Usage(1, 40)),
            Ask(request_hash("{}"), Usage(1, 999)),
            Ask("b", Usage(1, 70)),
            Ask("c", Usage(1, 1)),
        ]
        made = ledger.reserve(terms(Limits(Caps(output_tokens=100))), asks)
        assert [grant.state for grant in made.grants] == ["granted", "stored"]
        assert ended_by(made) == "output_tokens"
        assert ledger.total(RUN) == Spend(2, 3 + 1, 4 + 40, 3 + 25)


HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from bridge_distill.teacher.budget import Caps, Limits, Payer, Usage
    from bridge_distill.teacher.database import Database
    from bridge_distill.teacher.ledger import Ask, Ledger, Terms
    from bridge_distill.teacher.prices import Tariff
    ledger = Ledger(Database(Path(sys.argv[1])))
    ledger.reserve(Terms(Payer("other"), Tariff("m", None, "test"), Limits()), [Ask("same", Usage(1, 1))])
    print("reserved", flush=True)
    sys.stdin.read()
    """
)


def test_what_another_process_is_asking_for_is_not_asked_twice_until_that_one_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "reserved\n"
        with Database(path) as database:
            ledger, ask = Ledger(database), [Ask("same", Usage(1, 1))]
            full = terms(Limits(store=Caps(queries=1)))
            assert [grant.state for grant in ledger.reserve(terms(), ask).grants] == ["elsewhere"]
            assert ledger.reserve(full, [Ask("new", Usage(1, 1))]).others
            assert ledger.open_attempts() == []
            holder.kill()
            holder.wait()
            assert [row["run"] for row in ledger.open_attempts()] == ["other"]
            assert not ledger.reserve(full, [Ask("new", Usage(1, 1))]).others
            assert [grant.state for grant in ledger.reserve(terms(), ask).grants] == ["granted"]


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads the clock's setting from a file only there")
def test_setting_the_clock_makes_no_living_process_a_dead_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    with held_elsewhere(tmp_path / "store.sqlite"), Database(tmp_path / "store.sqlite") as database:
        for path in Path("/proc").iterdir():
            if path.name != "stat":
                (proc / path.name).symlink_to(path)
        boot = re.sub(r"(?m)^btime (\d+)$", lambda found: f"btime {int(found[1]) + 60}", Path("/proc/stat").read_text())
        (proc / "stat").write_text(boot)
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(proc))
        assert Ledger(database).open_attempts() == []


def test_threads_with_their_own_connections_share_one_cap(tmp_path: Path) -> None:
    path, under, bought = tmp_path / "store.sqlite", terms(Limits(Caps(queries=25))), []

    def spend(name: int) -> None:
        with Database(path) as database:
            ledger = Ledger(database)
            for turn in range(12):
                made = ledger.reserve(under, [Ask(f"{name} {turn}", Usage(1, 1))])
                bought.extend(grant.attempt for grant in made.grants)

    threads = [threading.Thread(target=spend, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bought) == len(set(bought)) == 25


def test_a_reply_and_its_charge_are_one_transaction(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, store = Ledger(database), ReplyStore(database)
        attempt = reserve(ledger, Usage(10, 10), key=request_hash("{}"))
        store.put(ledger, attempt, "{}", Answer("text", "stop", 3, 4, "m-2026", "id-1"))
        with pytest.raises(ValueError, match="not open"):
            store.put(ledger, attempt, '{"other": 1}', Answer("text", "stop", 3, 4))
        found = store.get([request_hash("{}"), request_hash('{"other": 1}')])
    [reply] = found.values()
    assert (reply.text, reply.run, reply.served_model, reply.reply_id) == ("text", "run", "m-2026", "id-1")


def test_the_desk_does_everything_handed_in_and_undoes_only_what_fails(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)

        def reserve_and_fail() -> None:
            reserve(ledger, Usage(1, 1), key="lost")
            raise RuntimeError("after the reservation")

        with Desk(database) as desk:
            kept = [desk.hand_in(reserve, ledger, Usage(1, 1), None, f"kept {number}") for number in range(50)]
            lost = desk.hand_in(reserve_and_fail)
            kept += [desk.hand_in(reserve, ledger, Usage(1, 1), None, f"later {number}") for number in range(50)]
        assert len({future.result() for future in kept}) == 100
        assert isinstance(lost.exception(), RuntimeError)
        assert ledger.total(RUN).queries == 100


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Database(path) as database:
        reserve(Ledger(database), Usage(1, 1))
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("content", [b"no database at all, only a long enough line of text" * 30, None])
def test_a_store_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "store.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="store"):
        Database(path)


@given(st.integers(1, 10**6), st.decimals("0.0001", 100, places=4))
def test_a_share_is_rounded_down_and_its_cure_works(pool: int, percent: Decimal) -> None:
    try:
        queries = most_queries(Budget(queries=f"{percent}%"), pool)
    except UserError as error:
        least = error.cure.split("at least ")[1].split("%")[0]
        assert most_queries(Budget(queries=f"{least}%"), pool) == 1
    else:
        assert queries is not None
        assert queries <= pool * percent / 100 < queries + 1


def test_five_percent_of_three_rows_is_an_error_that_says_what_would_do() -> None:
    with pytest.raises(UserError, match=r"budget\.queries: 5% of 3 questions.*at least 33\.4%"):
        most_queries(Budget(queries="5%"), 3)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 10**9), st.integers(1, 100))
def test_rounds_share_the_caps_of_the_run_and_no_others(
    rounds: int, number: int, usd_micros: int, percent: int
) -> None:
    number, pool = min(number, rounds), 200
    study = StudyBudget(name="s", queries=7)
    budget = Budget(queries=f"{percent}%", usd=Decimal(usd_micros).scaleb(-6), study=study)
    found = resolve_limits(budget, pool, Spend, Fraction(number, rounds))
    assert found.run == Caps(2 * percent * number // rounds, usd_micros=usd_micros * number // rounds)
    assert found.study == Caps(7)
    assert resolve_limits(budget, pool, Spend, Fraction(1)) == limits_of(budget, pool)


def test_shares_of_tokens_and_money_are_of_what_the_whole_pool_would_use() -> None:
    whole = Spend(100, 20_000, 10_000, 5_000_000)
    found = limits_of(Budget(input_tokens="10%", output_tokens="0.5%", usd="2.5%", store={"usd": "50%"}), whole=whole)
    assert found.run == Caps(None, 2000, 50, 125_000)
    assert found.store == Caps(usd_micros=2_500_000)


def test_each_level_keeps_its_own_caps() -> None:
    budget = Budget(queries=3, study=StudyBudget(name="s", usd=Decimal(20)), store=CapSettings(queries="50%"))
    assert limits_of(budget) == Limits(Caps(queries=3), Caps(usd_micros=20_000_000), Caps(queries=50))


@pytest.mark.parametrize(
    ("caps", "place"),
    [({"usd": Decimal("0.0000001")}, "budget.usd"), ({"output_tokens": "1%"}, "budget.output_tokens")],
)
def test_a_cap_that_comes_to_nothing_is_named(caps: dict[str, Decimal | str], place: str) -> None:
    with pytest.raises(UserError, match=place):
        limits_of(Budget.model_validate(caps), whole=Spend(1, 10, 10, 10))


def test_dollars_are_exact() -> None:
    assert dollars(1_234_567) == "1.234567"
    assert limits_of(Budget(usd=Decimal("2.00"))).run == Caps(usd_micros=2_000_000)


def test_a_batch_is_charged_at_its_share() -> None:
    usage = Usage(1_000_000, 1_000_000)
    assert TARIFF.batched(Decimal("0.5")).micros(usage) == 375_000
    assert TARIFF.batched(None).micros(usage) == 750_000
    own = Tariff("m", Price(input=Decimal(1), output=Decimal(1), batch=Decimal("0.25")), "test")
    assert own.batched(Decimal("0.5")).micros(usage) == 500_000


def test_prices_come_from_the_run_file_first_then_from_the_list() -> None:
    own = Price(input=Decimal(1), output=Decimal(2))
    assert price_of(Teacher(model="gpt-4o-mini", prices={"gpt-4o-mini": own})) == (own, "teacher.prices")
    listed = price_of(Teacher(model="gpt-4o-mini"))
    assert listed is not None
    assert (listed[0].input, listed[0].output) == (Decimal("0.15"), Decimal("0.6"))
    assert listed[1].startswith("genai-prices ")


@pytest.mark.parametrize(
    "teacher",
    [
        Teacher(model="nobody-knows"),
        Teacher(model="gpt-4o-mini", base_url="http://127.0.0.1:9/v1"),
        Teacher(provider="replay"),
    ],
)
def test_a_usd_cap_without_a_price_shows_how_to_price(teacher: Teacher) -> None:
    assert price_of(teacher) is None
    with pytest.raises(UserError, match=r"budget\.usd: .*teacher\.prices: .*input: 0\.15"):
        tariff_of(teacher, Budget(usd=Decimal(1)))
    assert tariff_of(teacher, Budget(queries=1)).micros(Usage(100, 100)) == 0
