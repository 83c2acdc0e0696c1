"""The one SQLite file that ledger and reply store share: durable commits, owner-only, many processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge_distill.errors import UserError

BUSY_SECONDS = 60.0
# The number of statements applied so far stands in the file as user_version: append, never edit.
MIGRATIONS = [
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, time TEXT NOT NULL, scope TEXT NOT NULL, request_hash TEXT NOT NULL,
        model TEXT NOT NULL, price_input TEXT, price_output TEXT, price_source TEXT NOT NULL,
        worst_input_tokens INTEGER NOT NULL, worst_output_tokens INTEGER NOT NULL, worst_usd_micros INTEGER NOT NULL,
        queries INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        usd_micros INTEGER NOT NULL, outcome TEXT NOT NULL, note TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX attempts_of_scope ON attempts (scope, outcome)",
    """CREATE TABLE totals (
        scope TEXT PRIMARY KEY, queries INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, usd_micros INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE replies (
        request_hash TEXT PRIMARY KEY, time TEXT NOT NULL, attempt INTEGER NOT NULL REFERENCES attempts (id),
        request TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, usd_micros INTEGER NOT NULL
    ) STRICT""",
]


class Database:
    """One connection, safe for threads; errors of the file itself are ``UserError`` at ``store``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        with self._explained():
            self._link = self._connect()
        with self.transaction() as link:
            self._migrate(link)

    def close(self) -> None:
        """Close the connection; what was committed stays."""
        with self._lock:
            self._link.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is committed durably, or nothing; one inside another joins the outer one."""
        with self._lock, self._explained():
            if self._depth == 0:
                self._link.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._link
                if self._depth == 1:
                    self._link.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._link.in_transaction:
                    self._link.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Read rows; columns are found by name."""
        with self._lock, self._explained():
            return self._link.execute(query, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive creation: opening and closing an existing SQLite file would drop this process's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self.path.chmod(0o600)
        link = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        link.row_factory = sqlite3.Row
        _write_ahead(link)
        link.execute("PRAGMA synchronous=FULL")
        return link

    def _migrate(self, link: sqlite3.Connection) -> None:
        version = int(link.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            cure = "upgrade bridge-distill, or set store to another file"
            raise UserError("store", f"{self.path} was written by a newer version", cure)
        for statement in MIGRATIONS[version:]:
            link.execute(statement)
        link.execute(f"PRAGMA user_version={len(MIGRATIONS)}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            cure = "set store to a writable file on a disk with space that only this program writes"
            raise UserError("store", f"{self.path} cannot be used ({error})", cure) from error


def _write_ahead(link: sqlite3.Connection) -> None:
    # SQLite does not wait for other processes while it changes the journal's kind.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            link.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
