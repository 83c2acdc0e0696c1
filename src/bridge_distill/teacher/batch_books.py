"""The books of batches: what was submitted under which name, so that a crash at any moment loses no reply."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bridge_distill.teacher.budget import BudgetExhausted
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.jobs import Job
from bridge_distill.teacher.ledger import Ask, Ledger, Terms, insert
from bridge_distill.teacher.owner import is_alive, me
from bridge_distill.teacher.providers import Answer, Failure, NotBilled, Provider
from bridge_distill.teacher.store import ReplyStore


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch that is not collected: ``provider_id`` is None until the provider is known to have it."""

    number: int
    name: str
    since: datetime
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch to submit, its jobs by custom id, and why it does not hold all that was wanted."""

    batch: Batch | None
    jobs: dict[str, Job]
    end: BudgetExhausted | None
    others: bool


class BatchBooks:
    """Batches of one store; every method is one durable transaction.

    A batch is ``prepared`` (its attempts are reserved; it may have been sent), ``submitted`` (its
    provider's id is known) or ``collected`` (every attempt is closed or in doubt).
    """

    def __init__(self, ledger: Ledger, store: ReplyStore) -> None:
        self._ledger, self._store = ledger, store
        self._database = ledger.database

    def prepare(self, provider: Provider, terms: Terms, jobs: Sequence[Job], asks: Sequence[Ask]) -> Prepared:
        """Reserve for as many jobs as fit, from the first, and note the batch that they will be sent in."""
        with self._database.transaction() as link:
            now = datetime.now(UTC)
            row = {"time": now.isoformat(), "provider": provider.family, "model": provider.model, "state": "prepared"}
            number = insert(link, "batches", {**row, "name": f"new-{now.timestamp()}", "note": ""})
            name = self._ledger.tag(number).replace("bd-", "bb-", 1)
            made = self._ledger.reserve(terms, asks, number)
            held = {
                grant.attempt: job for grant, job in zip(made.grants, jobs, strict=False) if grant.state == "granted"
            }
            if not held:
                link.execute("DELETE FROM batches WHERE id = ?", (number,))
                return Prepared(None, {}, made.end, made.others)
            link.execute("UPDATE batches SET name = ? WHERE id = ?", (name, number))
            custom = {f"{name}-{attempt}": job for attempt, job in held.items()}
            return Prepared(Batch(number, name, now, None), custom, made.end, made.others)

    def submitted(self, batch: Batch, provider_id: str) -> Batch:
        """Note the provider's id."""
        with self._database.transaction() as link:
            query = "UPDATE batches SET state = 'submitted', provider_id = ? WHERE id = ?"
            link.execute(query, (provider_id, batch.number))
        return Batch(batch.number, batch.name, batch.since, provider_id)

    def uncollected(self, provider: Provider) -> list[Batch]:
        """Batches of this provider and model that no living process but this one waits for."""
        return [
            Batch(row["id"], row["name"], datetime.fromisoformat(row["time"]), row["provider_id"])
            for row in open_batches(self._database)
            if (row["provider"], row["model"]) == (provider.family, provider.model)
            if row["owner"] == me() or not is_alive(row["owner"])
        ]

    def enter(self, batch: Batch, results: Iterable[tuple[str, Answer | Failure]]) -> dict[str, str]:
        """Write some results down, each attempt's first one; returns why requests have no reply, by hash."""
        failed = {}
        with self._database.transaction() as link:
            for custom, outcome in results:
                row = _attempt(link, batch, custom)
                if row is None:
                    continue
                if isinstance(outcome, Answer):
                    self._store.put(self._ledger, row["id"], row["request"], outcome)
                elif isinstance(outcome, NotBilled):
                    self._ledger.release(row["id"], outcome.reason, sent=outcome.sent)
                    failed[row["request_hash"]] = outcome.reason
                else:
                    self._ledger.doubt(row["id"], outcome.reason)
                    failed[row["request_hash"]] = outcome.reason
        return failed

    def collected(self, batch: Batch, note: str, billed: bool) -> dict[str, str]:
        """Close a batch; attempts without a result stay charged, unless surely nothing was ``billed``."""
        with self._database.transaction() as link:
            query = "SELECT id, request_hash FROM attempts WHERE batch = ? AND outcome = 'reserved'"
            missing = link.execute(query, (batch.number,)).fetchall()
            for row in missing:
                if billed:
                    self._ledger.doubt(row["id"], f"no result in the batch ({note})")
                else:
                    self._ledger.release(row["id"], note)
            link.execute("UPDATE batches SET state = 'collected', note = ? WHERE id = ?", (note, batch.number))
        return {row["request_hash"]: f"no result in the batch ({note})" for row in missing}


def open_batches(database: Database) -> list[sqlite3.Row]:
    """Every batch that is not collected, oldest first, with its ``owner``, ``run`` and number of ``attempts``."""
    return database.rows(
        """SELECT b.*, count(*) AS attempts, min(a.owner) AS owner, min(a.run) AS run
        FROM batches b JOIN attempts a ON a.batch = b.id WHERE b.state != 'collected' GROUP BY b.id ORDER BY b.id"""
    )


def _attempt(link: sqlite3.Connection, batch: Batch, custom: str) -> sqlite3.Row | None:
    """The attempt that a custom id names, while it is open; None for a second delivery or a stranger's id."""
    number = custom.removeprefix(f"{batch.name}-")
    if not number.isdecimal():
        return None
    query = """SELECT a.id, a.request_hash, r.request FROM attempts a JOIN recoverable r ON r.attempt = a.id
        WHERE a.id = ? AND a.batch = ? AND a.outcome = 'reserved'"""
    row: sqlite3.Row | None = link.execute(query, (int(number), batch.number)).fetchone()
    return row
