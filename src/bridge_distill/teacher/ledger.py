"""The budget's books: reserve the worst case before a request leaves, settle it after.

Caps hold for a run, for its study and for the store, summed over every attempt, retries included.
The query cap counts what was sent, answered or not. An attempt is one row and one of:

- ``reserved``: may be under way; after a crash it stays so, charged at its worst case;
- ``unknown``: sent, but nobody can say what was billed; charged at its worst case;
- ``settled``: charged what the provider reported, even where that is above the worst case;
- ``accepted``: closed at its worst case by the user, since nobody can say more;
- ``refused``: sent and surely not billed, also by the user's word; counts as a query, costs nothing;
- ``released``: surely never sent; counts nothing;
- ``imported``: a reply that was paid for elsewhere; counts nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from bridge_distill.config import Price
from bridge_distill.teacher.budget import LEVELS, BudgetExhausted, Caps, Level, Limits, Payer, Spend, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.owner import is_alive, me
from bridge_distill.teacher.prices import Tariff

OPEN = ("reserved", "unknown")
_WHERE: dict[Level, str] = {"run": "run = :run", "study": "study = :study AND study != ''", "store": "1"}


@dataclass(frozen=True, slots=True)
class Terms:
    """Who pays, at what price, up to what."""

    payer: Payer
    tariff: Tariff
    limits: Limits


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to reserve for, by its hash, and the most that it can use.

    ``request`` is its identity where the provider can give a lost reply later, so that it is kept until then.
    """

    request_hash: str
    worst: Usage
    request: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What came of an ask: an attempt to send now, a reply that is there, or another process that is sending it."""

    state: Literal["granted", "stored", "elsewhere"]
    attempt: int = 0


class NotOpen(ValueError):  # noqa: N818
    """The attempt does not exist, or what became of it is written down already."""


@dataclass(slots=True)
class Reservation:
    """Grants for the first asks, in order; ``end`` says why the next one got none.

    ``others`` says that processes beside this one hold reservations, which may come back.
    """

    grants: list[Grant] = field(default_factory=list)
    end: BudgetExhausted | None = None
    others: bool = False


class Ledger:
    """Attempts and their totals in a shared file; every method is one durable transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._store = database.rows("SELECT name FROM store")[0]["name"]

    def reserve(self, terms: Terms, asks: Sequence[Ask], batch: int | None = None) -> Reservation:
        """Charge the worst case of as many asks, from the first, as fit under every cap, before they are sent."""
        made = Reservation()
        with self.database.transaction() as link:
            capped: list[Level] = [level for level in LEVELS if terms.limits.at(level) != Caps()]
            room = {level: self.total(terms.payer, level) for level in capped}
            charged = Spend()
            for ask in asks:
                known = _known(link, ask.request_hash)
                if known is None:
                    spend = _spend(terms.tariff, ask.worst)
                    made.end = _over(terms.limits, room, charged + spend)
                    if made.end is not None:
                        made.others = _others(link, made.end.level, terms.payer)
                        break
                    charged += spend
                    known = Grant("granted", _insert(link, terms, ask, spend, batch))
                made.grants.append(known)
            _add(link, terms.payer, charged)
        return made

    def settle(self, attempt: int, usage: Usage) -> int:
        """Charge what the provider reports instead; returns millionths of a dollar."""
        with self.database.transaction() as link:
            row = _open_row(link, attempt)
            spend = _spend(_tariff(row), usage)
            _recharge(link, row, "settled", spend, row["note"])
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

    def accept(self, attempt: int) -> None:
        """Close an attempt at its worst case."""
        with self.database.transaction() as link:
            row = _open_row(link, attempt)
            _recharge(link, row, "accepted", _charged(row), row["note"])

    def total(self, payer: Payer, level: Level = "run") -> Spend:
        """What is charged now to a run, to a study, or to everyone who shares the store."""
        return Spend(*self.database.rows(_total_query(level), **payer.row())[0])

    def outcomes(self, run: str) -> dict[str, int]:
        """Number of attempts of a run by outcome."""
        query = "SELECT outcome, count(*) AS number FROM attempts WHERE run = ? GROUP BY outcome ORDER BY outcome"
        return {row["outcome"]: row["number"] for row in self.database.rows(query, run)}

    def open_attempts(self, run: str | None = None) -> list[sqlite3.Row]:
        """Attempts whose outcome nobody knows and nobody is waiting for, oldest first; batches' own ones left out."""
        query = """SELECT a.*, b.state AS batch_state, r.request FROM attempts a
            LEFT JOIN batches b ON b.id = a.batch LEFT JOIN recoverable r ON r.attempt = a.id
            WHERE a.outcome IN ('reserved', 'unknown') AND (? IS NULL OR a.run = ?) ORDER BY a.id"""
        rows = self.database.rows(query, run, run)
        return [
            row
            for row in rows
            if row["outcome"] == "unknown"
            or (row["batch_state"] not in ("prepared", "submitted") and not is_alive(row["owner"]))
        ]

    def tag(self, attempt: int) -> str:
        """The name of an attempt that no other attempt of any store has, to mark its request with."""
        return f"bd-{self._store}-{attempt}"


def _spend(tariff: Tariff, usage: Usage) -> Spend:
    return Spend(1, usage.input_tokens, usage.output_tokens, tariff.micros(usage))


def _over(limits: Limits, room: dict[Level, Spend], more: Spend) -> BudgetExhausted | None:
    for level, spent in room.items():
        cap = limits.at(level).exceeded(spent + more)
        if cap is not None:
            return BudgetExhausted(level, cap)
    return None


def _known(link: sqlite3.Connection, request_hash: str) -> Grant | None:
    """Why a request must not be sent now: its reply is there, or another process that lives is asking for it."""
    if link.execute("SELECT 1 FROM replies WHERE request_hash = ?", (request_hash,)).fetchone():
        return Grant("stored")
    query = "SELECT owner FROM attempts WHERE request_hash = ? AND outcome = 'reserved'"
    owners = {row["owner"] for row in link.execute(query, (request_hash,))}
    return Grant("elsewhere") if any(owner != me() and is_alive(owner) for owner in owners) else None


def _others(link: sqlite3.Connection, level: Level, payer: Payer) -> bool:
    """Whether a process beside this one is about to settle attempts that count under the caps of a level."""
    query = f"""SELECT DISTINCT owner FROM attempts
        WHERE outcome = 'reserved' AND batch IS NULL AND {_WHERE[level]}"""  # noqa: S608
    owners = [row["owner"] for row in link.execute(query, payer.row())]
    return any(owner != me() and is_alive(owner) for owner in owners)


def _total_query(level: Level) -> str:
    return f"""SELECT coalesce(sum(queries), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
        coalesce(sum(usd_micros), 0) FROM totals WHERE {_WHERE[level]}"""  # noqa: S608


def _add(link: sqlite3.Connection, payer: Payer, change: Spend) -> None:
    if change == Spend():
        return
    link.execute(
        """INSERT INTO totals VALUES (:run, :study, :queries, :input_tokens, :output_tokens, :usd_micros)
        ON CONFLICT (run, study) DO UPDATE SET queries = queries + excluded.queries,
        input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
        usd_micros = usd_micros + excluded.usd_micros""",
        {**payer.row(), **change.row()},
    )


def _insert(link: sqlite3.Connection, terms: Terms, ask: Ask, spend: Spend, batch: int | None) -> int:
    tariff, price = terms.tariff, terms.tariff.price
    row = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        **terms.payer.row(),
        "request_hash": ask.request_hash,
        "model": tariff.model,
        "price_input": None if price is None else str(price.input),
        "price_output": None if price is None else str(price.output),
        "price_share": str(tariff.share),
        "price_source": tariff.source,
        "worst_input_tokens": ask.worst.input_tokens,
        "worst_output_tokens": ask.worst.output_tokens,
        "worst_usd_micros": spend.usd_micros,
        **spend.row(),
        "outcome": "reserved",
        "note": "",
        "owner": me(),
        "batch": batch,
    }
    attempt = insert(link, "attempts", row)
    if ask.request:
        link.execute("INSERT INTO recoverable VALUES (?, ?)", (attempt, ask.request))
    return attempt


def insert(link: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Insert a row; returns its number."""
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    number = link.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row).lastrowid  # noqa: S608
    assert number is not None
    return number


def _open_row(link: sqlite3.Connection, attempt: int) -> sqlite3.Row:
    row: sqlite3.Row | None = link.execute("SELECT * FROM attempts WHERE id = ?", (attempt,)).fetchone()
    if row is None or row["outcome"] not in OPEN:
        raise NotOpen(f"attempt {attempt} is not open: {'no such attempt' if row is None else row['outcome']}")
    return row


def _charged(row: sqlite3.Row) -> Spend:
    return Spend(row["queries"], row["input_tokens"], row["output_tokens"], row["usd_micros"])


def _tariff(row: sqlite3.Row) -> Tariff:
    if row["price_input"] is None:
        return Tariff(row["model"], None, row["price_source"])
    price = Price(input=Decimal(row["price_input"]), output=Decimal(row["price_output"]))
    return Tariff(row["model"], price, row["price_source"], Decimal(row["price_share"]))


def _recharge(link: sqlite3.Connection, row: sqlite3.Row, outcome: str, spend: Spend, note: str) -> None:
    # A reason may quote a reply that is no text.
    note = note.encode("utf-8", "replace").decode("utf-8")
    link.execute(
        """UPDATE attempts SET queries = :queries, input_tokens = :input_tokens, output_tokens = :output_tokens,
        usd_micros = :usd_micros, outcome = :outcome, note = :note WHERE id = :id""",
        {**spend.row(), "outcome": outcome, "note": note, "id": row["id"]},
    )
    _add(link, Payer(row["run"], row["study"]), spend - _charged(row))
    if outcome not in OPEN:
        link.execute("DELETE FROM recoverable WHERE attempt = ?", (row["id"],))
