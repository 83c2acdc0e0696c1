"""Attempts that were under way when their process ended: nobody has heard what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from bridge_distill.teacher.ledger import Ledger

INTERRUPTED = "the process ended while it was under way"


def interrupted(ledger: Ledger, run: str | None = None) -> list[sqlite3.Row]:
    """The open attempts, of one run or of all, that a process had under way when it ended or was stopped."""
    return [row for row in ledger.open_attempts(run) if row["note"] in ("", INTERRUPTED)]


def take_back(ledger: Ledger, hashes: Iterable[str]) -> None:
    """Release the interrupted attempts at these requests, whose provider surely bills nothing."""
    wanted = set(hashes)
    with ledger.database.transaction():
        for row in interrupted(ledger):
            if row["request_hash"] in wanted:
                ledger.release(row["id"], INTERRUPTED)
