"""The ledger never lets a cap be passed, and never knows of less than was billed."""

from __future__ import annotations

import stat
import threading
from dataclasses import astuple
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_distill.config import Budget, Price, Teacher
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import BudgetExhausted, Caps, Spend, Usage, dollars, resolve_caps
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import Tariff, price_of, tariff_of
from bridge_distill.teacher.providers import Answer
from bridge_distill.teacher.store import ReplyStore, request_hash

TARIFF = Tariff("m", Price(input=Decimal("0.15"), output=Decimal("0.60")), "test")
FREE = Caps()

tokens = st.integers(0, 400)
caps_of = st.builds(
    Caps,
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 2000),
    st.none() | st.integers(1, 2000),
    st.none() | st.integers(1, 900),
)
step = st.one_of(
    st.tuples(st.just("reserve"), tokens, tokens),
    st.tuples(st.sampled_from(["settle", "doubt", "refuse", "release"]), st.integers(0, 9), st.floats(0, 1)),
    st.tuples(st.just("crash"), st.just(0), st.just(0)),
)


def within(spend: Spend, caps: Caps) -> bool:
    return all(cap is None or used <= cap for used, cap in zip(astuple(spend), astuple(caps), strict=True))


def attempts_sum(database: Database, scope: str) -> Spend:
    query = "SELECT sum(queries), sum(input_tokens), sum(output_tokens), sum(usd_micros) FROM attempts WHERE scope = ?"
    return Spend(*(value or 0 for value in database.rows(query, scope)[0]))


class Simulation:
    """A provider that bills truthfully, beside a ledger that may crash at any step."""

    def __init__(self, path: Path, caps: Caps) -> None:
        self.path, self.caps = path, caps
        self.database = Database(path)
        self.open: list[tuple[int, Usage]] = []
        self.billed = Decimal(0)
        self.billed_usage = Usage(0, 0)

    def run(self, name: str, first: int, second: float) -> None:
        ledger = Ledger(self.database)
        if name == "crash":
            for _, worst in self.open:
                self._bill(worst)
            self.database.close()
            self.database, self.open = Database(self.path), []
        elif name == "reserve":
            worst = Usage(first, int(second))
            try:
                self.open.append((ledger.reserve("run", "hash", worst, self.caps, TARIFF), worst))
            except BudgetExhausted:
                worst_spend = Spend(1, worst.input_tokens, worst.output_tokens, TARIFF.micros(worst))
                assert not within(ledger.total("run") + worst_spend, self.caps)
        elif self.open:
            attempt, worst = self.open.pop(first % len(self.open))
            self._end(ledger, name, attempt, worst, second)

    def _end(self, ledger: Ledger, name: str, attempt: int, worst: Usage, share: float) -> None:
        if name in ("settle", "doubt"):
            actual = Usage(int(worst.input_tokens * share), int(worst.output_tokens * share))
            self._bill(actual)
            if name == "settle":
                ledger.settle(attempt, actual)
            else:
                ledger.doubt(attempt, "timeout")
        else:
            ledger.release(attempt, name, sent=name == "refuse")

    def _bill(self, usage: Usage) -> None:
        price = TARIFF.price
        assert price is not None
        self.billed += price.input * usage.input_tokens + price.output * usage.output_tokens
        old = self.billed_usage
        self.billed_usage = Usage(old.input_tokens + usage.input_tokens, old.output_tokens + usage.output_tokens)

    def check(self) -> None:
        total = Ledger(self.database).total("run")
        assert within(total, self.caps)
        assert total == attempts_sum(self.database, "run")
        assert total.usd_micros >= self.billed
        assert total.input_tokens >= self.billed_usage.input_tokens
        assert total.output_tokens >= self.billed_usage.output_tokens


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(caps=caps_of, steps=st.lists(step, max_size=30))
def test_no_sequence_passes_a_cap_or_forgets_a_bill(
    tmp_path_factory: pytest.TempPathFactory, caps: Caps, steps: list[tuple[str, int, float]]
) -> None:
    simulation = Simulation(tmp_path_factory.mktemp("ledger") / "store.sqlite", caps)
    for name, first, second in steps:
        simulation.run(name, first, second)
        simulation.check()
    simulation.database.close()


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.decimals(0, 100, places=4), st.decimals(0, 100, places=4))
def test_money_is_rounded_up_by_less_than_a_millionth(inputs: int, outputs: int, low: Decimal, high: Decimal) -> None:
    charged = Tariff("m", Price(input=low, output=high), "test").micros(Usage(inputs, outputs))
    assert 0 <= charged - (low * inputs + high * outputs) < 1


def test_a_report_above_the_reservation_is_recorded_as_it_is(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)
        caps = Caps(output_tokens=100)
        attempt = ledger.reserve("run", "hash", Usage(1, 60), caps, TARIFF)
        ledger.settle(attempt, Usage(1, 500))
        assert ledger.total("run").output_tokens == 500
        with pytest.raises(BudgetExhausted):
            ledger.reserve("run", "hash", Usage(1, 1), caps, TARIFF)


def test_an_ended_attempt_cannot_be_ended_again(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger = Ledger(database)
        attempt = ledger.reserve("run", "hash", Usage(1, 1), FREE, TARIFF)
        ledger.settle(attempt, Usage(1, 1))
        with pytest.raises(ValueError, match="not open"):
            ledger.release(attempt)


def test_scopes_have_caps_of_their_own_and_every_attempt_is_a_row(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, caps = Ledger(database), Caps(queries=1)
        for scope in ("one", "two"):
            ledger.settle(ledger.reserve(scope, "hash", Usage(10, 10), caps, TARIFF), Usage(7, 5))
        row = dict(database.rows("SELECT * FROM attempts WHERE scope = 'two'")[0])
    assert (row["worst_input_tokens"], row["input_tokens"], row["usd_micros"]) == (10, 7, 5)
    assert (row["price_input"], row["price_source"], row["outcome"]) == ("0.15", "test", "settled")


def test_threads_with_their_own_connections_share_one_cap(tmp_path: Path) -> None:
    path, caps, bought = tmp_path / "store.sqlite", Caps(queries=25), []

    def spend() -> None:
        with Database(path) as database:
            ledger = Ledger(database)
            for _ in range(12):
                try:
                    bought.append(ledger.reserve("run", "hash", Usage(1, 1), caps, TARIFF))
                except BudgetExhausted:
                    return

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bought) == len(set(bought)) == 25


def test_a_reply_and_its_charge_are_one_transaction(tmp_path: Path) -> None:
    with Database(tmp_path / "store.sqlite") as database:
        ledger, store = Ledger(database), ReplyStore(database)
        attempt = ledger.reserve("run", request_hash("{}"), Usage(10, 10), FREE, TARIFF)
        store.put(ledger, attempt, "{}", Answer("text", "stop", 3, 4))
        with pytest.raises(ValueError, match="not open"):
            store.put(ledger, attempt, '{"other": 1}', Answer("text", "stop", 3, 4))
        found = store.get([request_hash("{}"), request_hash('{"other": 1}')])
    assert [reply.text for reply in found.values()] == ["text"]
    assert found[request_hash("{}")].scope == "run"


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Database(path) as database:
        Ledger(database).reserve("run", "hash", Usage(1, 1), FREE, TARIFF)
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
        caps = resolve_caps(Budget(queries=f"{percent}%"), pool)
    except UserError as error:
        least = error.cure.split("at least ")[1].split("%")[0]
        assert resolve_caps(Budget(queries=f"{least}%"), pool).queries == 1
    else:
        assert caps.queries is not None
        assert caps.queries <= pool * percent / 100 < caps.queries + 1


def test_five_percent_of_three_rows_is_an_error_that_says_what_would_do() -> None:
    with pytest.raises(UserError, match=r"budget\.queries: 5% of 3 questions.*at least 33\.4%"):
        resolve_caps(Budget(queries="5%"), 3)


def test_dollars_are_exact() -> None:
    assert dollars(1_234_567) == "1.234567"
    assert resolve_caps(Budget(usd=Decimal("2.00")), 3) == Caps(usd_micros=2_000_000)


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
