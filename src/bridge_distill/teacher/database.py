"""The one SQLite file that ledger and reply store share: durable commits, owner-only, many processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge_distill.errors import UserError
from bridge_distill.teacher.schema import MIGRATIONS

BUSY_SECONDS = 60.0
# What freeing the disk, or waiting for another process, mends.
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)


class Unwritable(UserError):  # noqa: N818
    """The file takes nothing now, and may again: the disk is full or in trouble, or another process keeps it locked."""


class Database:
    """One connection, safe for threads; errors of the file itself are ``UserError`` at ``store``.

    A file of an earlier version is migrated when it is opened, in one transaction. ``reads_only``
    neither creates nor changes a file, whatever its version.
    """

    def __init__(self, path: Path, reads_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._words = _READING if reads_only else _WRITING
        with self._explained():
            self._link = _reader(path) if reads_only else self._connect()
        try:
            with self.transaction() as link:
                self._version = _version(link, path)
                if not reads_only:
                    self._migrate(link)
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def reading(cls, path: Path) -> Database:
        """A store that is there, to read only; one of an earlier version is migrated first."""
        found = cls(path, reads_only=True)
        if found._version == len(MIGRATIONS):
            return found
        found.close()
        cls(path).close()
        return cls(path, reads_only=True)

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
        """Everything inside is committed durably, or nothing; one inside another is part of the outer one."""
        with self._lock, self._explained():
            if self._depth:
                self._require_transaction()
                yield self._link
                return
            self._depth = 1
            try:
                with self._between(*self._words):
                    yield self._link
            finally:
                self._depth = 0

    @contextmanager
    def savepoint(self) -> Iterator[sqlite3.Connection]:
        """A part of a transaction that can fail alone: it is undone then, and what came before it is kept."""
        with self._lock, self._explained():
            self._require_transaction()
            with self._between(*_INSIDE):
                yield self._link

    @contextmanager
    def _between(self, begin: str, commit: str, undo: tuple[str, ...]) -> Iterator[None]:
        self._link.execute(begin)
        try:
            yield
            self._link.execute(commit)
        except BaseException:
            if self._link.in_transaction:
                for statement in undo:
                    self._link.execute(statement)
            raise

    def _require_transaction(self) -> None:
        # A full disk makes SQLite roll back by itself; what followed would be committed without the rest.
        if not self._link.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back")

    def rows(self, query: str, *values: Any, **named: Any) -> list[sqlite3.Row]:
        """Read rows, with values for ``?`` or for names; columns are found by name."""
        with self._lock, self._explained():
            return self._link.execute(query, named or values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive creation: opening and closing an existing SQLite file would drop this process's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        link = _link(str(self.path))
        try:
            _patiently(lambda: _version(link, self.path))  # before anything of another program's file is changed
            self.path.chmod(0o600)
            _patiently(lambda: link.execute("PRAGMA journal_mode=WAL"))
            link.execute("PRAGMA synchronous=FULL")
        except BaseException:
            link.close()
            raise
        return link

    def _migrate(self, link: sqlite3.Connection) -> None:
        for statement in MIGRATIONS[self._version :]:
            link.execute(statement)
        if self._version < len(MIGRATIONS):
            link.execute(f"PRAGMA user_version={len(MIGRATIONS)}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            cure = "set store to a writable file on a disk with space that only this program writes"
            passing = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING
            kind = Unwritable if passing else UserError
            raise kind("store", f"{self.path} cannot be used ({error})", cure) from error


# How a transaction begins, is kept and is undone: the outermost one of a writer and of a reader, and one inside it.
_WRITING = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_READING = ("BEGIN", "COMMIT", ("ROLLBACK",))
_INSIDE = ("SAVEPOINT inner_work", "RELEASE inner_work", ("ROLLBACK TO inner_work", "RELEASE inner_work"))


def as_text(text: str) -> bytes:
    """Any text, half a surrogate pair included, for a ``CAST(? AS TEXT)``; it is read as it was."""
    return text.encode("utf-8", "surrogatepass")


def _link(address: str) -> sqlite3.Connection:
    link = sqlite3.connect(
        address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=address.startswith("file:")
    )
    link.row_factory = sqlite3.Row
    link.text_factory = lambda content: content.decode("utf-8", "surrogatepass")
    return link


def _reader(path: Path) -> sqlite3.Connection:
    """Connect to a file that is there, and keep from writing to it."""
    address = path.absolute().as_uri()
    link = _link(f"{address}?mode=rw")
    try:
        link.execute("SELECT 1 FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        link.close()
        log = path.with_name(f"{path.name}-wal")
        kind = error.sqlite_errorcode & 0xFF
        if kind not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or (log.exists() and log.stat().st_size):
            raise
        # Where a folder takes no write-ahead log and holds none, nobody is writing: the file is all there is.
        link = _link(f"{address}?immutable=1")
    link.execute("PRAGMA query_only=ON")
    return link


def _version(link: sqlite3.Connection, path: Path) -> int:
    """How many migrations a file has seen; raises ``UserError`` for one that this program cannot read."""
    version = int(link.execute("PRAGMA user_version").fetchone()[0])
    names = {row["name"] for row in link.execute("SELECT name FROM sqlite_schema")}
    if names and not {"attempts", "replies"} <= names:
        raise UserError(
            "store", f"{path} is a database of another program", "give a store, such as runs/replies.sqlite"
        )
    if version > len(MIGRATIONS):
        cure = "upgrade bridge-distill, or set store to another file"
        raise UserError("store", f"{path} was written by a newer version", cure)
    return version


def _patiently(act: Callable[[], Any]) -> None:
    # SQLite does not wait for other processes while it changes the journal's kind.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            act()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
