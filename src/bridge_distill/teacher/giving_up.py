"""What only the user can know: hosts that are gone, and batches that nobody will ever collect."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge_distill.errors import UserError
from bridge_distill.teacher.batch_books import Batch, BatchBooks, open_batches
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.owner import host_of, is_alive
from bridge_distill.teacher.reconcile import Word, check_words
from bridge_distill.teacher.store import ReplyStore

# What a process may still write about: its reservations, and all of its uncollected batches.
_UNDER_WAY = "(outcome = 'reserved' OR batch IN (SELECT id FROM batches WHERE state != 'collected'))"


def prepare(
    ledger: Ledger, hosts_gone: Sequence[str], given_up: Sequence[str], words: Sequence[Word], run: str | None = None
) -> None:
    """Open what waits for hosts that are gone and for batches that are given up, and check what is said of the rest.

    All or none; raises ``UserError`` as ``disown``, ``give_up`` and ``check_words`` do.
    """
    with ledger.database.transaction():
        for host in hosts_gone:
            disown(ledger.database, host)
        give_up(ledger, given_up)
        check_words(ledger, words, run)


def disown(database: Database, host: str) -> int:
    """Take the user's word that no process of another host is at work any more; returns how many attempts it had.

    They are open then, and batches can be collected here. Raises ``UserError`` for a host that has none.
    """
    if host == host_of():
        problem = "is this host, whose processes are looked for without your word"
        raise UserError(f"--host-gone {host}", problem, "leave it out")
    with database.transaction() as link:
        owners = [row["owner"] for row in link.execute(f"SELECT DISTINCT owner FROM attempts WHERE {_UNDER_WAY}")]  # noqa: S608
        gone = [owner for owner in owners if owner and host_of(owner) == host]
        if not gone:
            cure = "bridge-distill ledger show lists the hosts that have some"
            raise UserError(f"--host-gone {host}", "has nothing under way", cure)
        update = f"UPDATE attempts SET owner = '' WHERE {_UNDER_WAY} AND owner = ?"  # noqa: S608
        return sum(link.execute(update, (owner,)).rowcount for owner in gone)


def give_up(ledger: Ledger, names: Sequence[str]) -> None:
    """Take the user's word that batches will never be collected, all or none: their attempts are in doubt then."""
    books = BatchBooks(ledger, ReplyStore(ledger.database))
    with ledger.database.transaction():
        found = {row["name"]: row for row in open_batches(ledger.database) if not is_alive(row["owner"])}
        for name in dict.fromkeys(names):
            if name not in found:
                cure = "bridge-distill ledger show lists those that nobody waits for"
                raise UserError(f"--give-up {name}", "is no uncollected batch, or a process waits for it", cure)
            books.collected(_batch(found[name]), "given up by the user's word", billed=True)


def _batch(row: sqlite3.Row) -> Batch:
    return Batch(row["id"], row["name"], datetime.fromisoformat(row["time"]), row["provider_id"])
