"""The budget's books: reserve the worst case before a request leaves, settle it after.

Caps hold for a scope (a run's name), summed over every attempt, retries included. The query cap
counts what was sent, answered or not. An attempt is one row and one of:

- ``reserved``: may be under way; after a crash it stays so, charged at its worst case;
- ``unknown``: sent, but nobody can say what was billed; charged at its worst case;
- ``settled``: charged what the provider reported, even where that is above the worst case;
- ``refused``: sent and surely not billed; counts as a query, costs nothing;
- ``released``: surely never sent; counts nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal

from bridge_distill.config import Price
from bridge_distill.teacher.budget import BudgetExhausted, Caps, Spend, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.prices import Tariff

OPEN = ("reserved", "unknown")


class Ledger:
    """Attempts and their totals in a shared file; every method is one durable transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def reserve(self, scope: str, request_hash: str, worst: Usage, caps: Caps, tariff: Tariff) -> int:
        """Charge an attempt's worst case, durably, before it is sent; returns the attempt's id.

        Raises ``BudgetExhausted`` where that would lift the scope's total above a cap.
        """
        spend = _spend(tariff, worst)
        with self.database.transaction() as link:
            cap = caps.exceeded(_total(link, scope) + spend)
            if cap is not None:
                raise BudgetExhausted(cap)
            _add(link, scope, spend)
            return _insert(link, scope, request_hash, worst, spend, tariff)

    def settle(self, attempt: int, usage: Usage) -> int:
        """Charge what the provider reports instead; returns millionths of a dollar."""
        with self.database.transaction() as link:
            row = _open_row(link, attempt)
            spend = _spend(_tariff(row), usage)
            _recharge(link, row, "settled", spend, "")
            return spend.usd_micros

    def release(self, attempt: int, reason: str = "", sent: bool = False) -> None:
        """Take the charge back; only for an attempt that surely was not billed."""
        with self.database.transaction() as link:
            outcome = "refused" if sent else "released"
            _recharge(link, _open_row(link, attempt), outcome, Spend(queries=int(sent)), reason)

    def doubt(self, attempt: int, reason: str) -> None:
        """Note that nobody can say what was billed: the worst case stays charged."""
        with self.database.transaction() as link:
            row = _open_row(link, attempt)
            _recharge(link, row, "unknown", _charged(row), reason)

    def total(self, scope: str) -> Spend:
        """What is charged to a scope now."""
        with self.database.transaction() as link:
            return _total(link, scope)

    def outcomes(self, scope: str) -> dict[str, int]:
        """Number of attempts of a scope by outcome."""
        query = "SELECT outcome, count(*) AS number FROM attempts WHERE scope = ? GROUP BY outcome ORDER BY outcome"
        return {row["outcome"]: row["number"] for row in self.database.rows(query, scope)}


def _spend(tariff: Tariff, usage: Usage) -> Spend:
    return Spend(1, usage.input_tokens, usage.output_tokens, tariff.micros(usage))


def _total(link: sqlite3.Connection, scope: str) -> Spend:
    query = "SELECT queries, input_tokens, output_tokens, usd_micros FROM totals WHERE scope = ?"
    row = link.execute(query, (scope,)).fetchone()
    return Spend() if row is None else Spend(*row)


def _add(link: sqlite3.Connection, scope: str, change: Spend) -> None:
    link.execute(
        """INSERT INTO totals VALUES (:scope, :queries, :input_tokens, :output_tokens, :usd_micros)
        ON CONFLICT (scope) DO UPDATE SET queries = queries + excluded.queries,
        input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
        usd_micros = usd_micros + excluded.usd_micros""",
        {"scope": scope, **asdict(change)},
    )


def _insert(link: sqlite3.Connection, scope: str, request_hash: str, worst: Usage, spend: Spend, tariff: Tariff) -> int:
    price = tariff.price
    row = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "scope": scope,
        "request_hash": request_hash,
        "model": tariff.model,
        "price_input": None if price is None else str(price.input),
        "price_output": None if price is None else str(price.output),
        "price_source": tariff.source,
        "worst_input_tokens": worst.input_tokens,
        "worst_output_tokens": worst.output_tokens,
        "worst_usd_micros": spend.usd_micros,
        **asdict(spend),
        "outcome": "reserved",
        "note": "",
    }
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    attempt = link.execute(f"INSERT INTO attempts ({names}) VALUES ({marks})", row).lastrowid  # noqa: S608
    assert attempt is not None
    return attempt


def _open_row(link: sqlite3.Connection, attempt: int) -> sqlite3.Row:
    row: sqlite3.Row | None = link.execute("SELECT * FROM attempts WHERE id = ?", (attempt,)).fetchone()
    if row is None or row["outcome"] not in OPEN:
        raise ValueError(f"attempt {attempt} is not open: {'no such attempt' if row is None else row['outcome']}")
    return row


def _charged(row: sqlite3.Row) -> Spend:
    return Spend(row["queries"], row["input_tokens"], row["output_tokens"], row["usd_micros"])


def _tariff(row: sqlite3.Row) -> Tariff:
    if row["price_input"] is None:
        return Tariff(row["model"], None, row["price_source"])
    price = Price(input=Decimal(row["price_input"]), output=Decimal(row["price_output"]))
    return Tariff(row["model"], price, row["price_source"])


def _recharge(link: sqlite3.Connection, row: sqlite3.Row, outcome: str, spend: Spend, note: str) -> None:
    link.execute(
        """UPDATE attempts SET queries = :queries, input_tokens = :input_tokens, output_tokens = :output_tokens,
        usd_micros = :usd_micros, outcome = :outcome, note = :note WHERE id = :id""",
        {**asdict(spend), "outcome": outcome, "note": note, "id": row["id"]},
    )
    _add(link, row["scope"], spend - _charged(row))
