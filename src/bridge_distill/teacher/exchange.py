"""Replies from one store to another: what was paid for on one machine is not paid for again on the next."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

from bridge_distill.errors import UserError
from bridge_distill.teacher.database import Database, as_text
from bridge_distill.teacher.ledger import insert
from bridge_distill.teacher.owner import me
from bridge_distill.teacher.reply_line import ReplyLine, read_line, write_line
from bridge_distill.teacher.store import INSERT_REPLY, request_hash

RUN = "import"
MOST_ROWS = 500
MOST_SIGNS = 8 * 1024 * 1024
LONGEST_LINE = 64 * 1024 * 1024
_REPLIES = """SELECT r.*, a.price_source FROM replies r JOIN attempts a ON a.id = r.attempt
    WHERE ? IN ('', a.model) AND ? IN ('', a.run) ORDER BY r.rowid"""
_CHARGES = (
    "worst_input_tokens",
    "worst_output_tokens",
    "worst_usd_micros",
    "queries",
    "input_tokens",
    "output_tokens",
    "usd_micros",
)


@dataclass(slots=True)
class Imported:
    """How many rows were new, known already, and bad."""

    new: int = 0
    known: int = 0
    bad: int = 0


def reply_lines(database: Database, model: str | None = None, run: str | None = None) -> Generator[str, None, None]:
    """Every reply, in the order of purchase, as a line of ASCII JSON; holds one at a time."""
    with database.transaction() as link:
        for row in link.execute(_REPLIES, (model or "", run or "")):
            yield write_line(row)


def models_of(database: Database) -> list[str]:
    """The models that have replies."""
    query = "SELECT DISTINCT a.model FROM replies r JOIN attempts a ON a.id = r.attempt ORDER BY 1"
    return [row["model"] for row in database.rows(query)]


def import_replies(database: Database, path: Path, tell: Callable[[str], None]) -> Imported:
    """Enter the replies of a file that the store lacks, each beside an attempt that charges nothing.

    ``tell`` hears of each bad row as ``file:line: reason``. What is there is never changed. Some hundred
    rows are one transaction, so an import that was stopped can be repeated.
    """
    counts = Imported()

    def bad(line: int, reason: str) -> None:
        counts.bad += 1
        tell(f"{path}:{line}: {reason}")

    try:
        for part in _parts(_rows(path, bad)):
            with database.transaction() as link:
                new = sum([_enter(link, row, path.name) for row in part])
            counts.new += new
            counts.known += len(part) - new
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "give a file of exported replies") from error
    return counts


def _rows(path: Path, bad: Callable[[int, str], None]) -> Iterator[ReplyLine]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file.readline), 1):
            try:
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"is longer than {LONGEST_LINE // 2**20} MB")
                if line.strip():
                    yield read_line(line)
            except ValueError as error:
                bad(number, str(error))


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines, of which an overlong one is cut to ``LONGEST_LINE`` bytes."""
    while line := read(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = read(LONGEST_LINE)
        yield line


def _parts(rows: Iterator[ReplyLine]) -> Iterator[list[ReplyLine]]:
    """Rows in parts of one transaction each, none of which fills the memory."""
    part: list[ReplyLine] = []
    signs = 0
    for row in rows:
        part.append(row)
        signs += len(row.request) + len(row.text)
        if len(part) == MOST_ROWS or signs > MOST_SIGNS:
            yield part
            part, signs = [], 0
    if part:
        yield part


def _enter(link: Connection, row: ReplyLine, source: str) -> bool:
    """Enter a reply beside an attempt of its own; returns False for one that is there already."""
    key = request_hash(row.request)
    if link.execute("SELECT 1 FROM replies WHERE request_hash = ?", (key,)).fetchone():
        return False
    attempt = insert(
        link,
        "attempts",
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": RUN,
            "request_hash": key,
            "model": row.model,
            "price_source": row.price_source,
            **dict.fromkeys(_CHARGES, 0),
            "outcome": "imported",
            "note": f"from {source}".encode("utf-8", "replace").decode("utf-8"),
            "owner": me(),
        },
    )
    link.execute(
        INSERT_REPLY,
        (
            key,
            row.time,
            attempt,
            row.request,
            as_text(row.text),
            as_text(row.finish),
            row.input_tokens,
            row.output_tokens,
            row.usd_micros,
            as_text(row.served_model),
            as_text(row.reply_id),
        ),
    )
    return True
