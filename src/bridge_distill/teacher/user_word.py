"""Close what is open by the user's word: attempts, hosts that are gone, batches that nobody can collect."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge_distill.errors import UserError
from bridge_distill.teacher.batch_books import Batch, BatchBooks, open_batches
from bridge_distill.teacher.budget import Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.owner import host_of, is_alive
from bridge_distill.teacher.store import ReplyStore

# No request has ever used more; a typing error must not ruin the books.
MOST_TOKENS = 10**9
_BILLED = re.compile(r"([0-9]{1,18})=([0-9]{1,18}),([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Word:
    """What the user says of one attempt: the tokens that were billed, or None for not billed."""

    attempt: int
    billed: Usage | None


@dataclass(frozen=True, slots=True)
class Closed:
    """Attempts that the user's word closed, those of the rest accepted at their worst case, those billed above it."""

    said: list[int]
    accepted: list[int]
    above: list[int]


def read_words(billed: Sequence[str], not_billed: Sequence[int]) -> list[Word]:
    """The user's words, ``billed`` ones as ``ID=INPUT,OUTPUT``; raises ``UserError`` for one that makes no sense."""
    words = [_billed(text) for text in billed] + [Word(attempt, None) for attempt in not_billed]
    for attempt in [word.attempt for word in words]:
        if sum(word.attempt == attempt for word in words) > 1:
            raise UserError(f"attempt {attempt}", "is spoken of twice", "say one thing of each attempt")
    return words


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


def check_words(ledger: Ledger, words: Sequence[Word], run: str | None = None) -> None:
    """Raise ``UserError`` for a word about an attempt that is not open, or may still be under way elsewhere."""
    open_ = {row["id"] for row in ledger.open_attempts(run)}
    for word in words:
        if word.attempt not in open_:
            among = "" if run is None else f" in run {run!r}"
            problem = f"is not open{among}, or is still under way"
            raise UserError(
                f"attempt {word.attempt}", problem, "bridge-distill ledger show --open lists those that are"
            )


def take_words(ledger: Ledger, words: Sequence[Word], accept_rest: bool, run: str | None = None) -> Closed:
    """Close attempts as the user says, all or none; ``accept_rest`` closes all others at their worst case.

    Raises ``UserError`` as ``check_words`` does.
    """
    above = []
    with ledger.database.transaction():
        check_words(ledger, words, run)
        worst = {row["id"]: row for row in ledger.open_attempts(run)}
        for word in words:
            if word.billed is None:
                ledger.release(word.attempt, "not billed, by the user's word", sent=True)
                continue
            ledger.settle(word.attempt, word.billed)
            row = worst[word.attempt]
            if word.billed.input_tokens > row["worst_input_tokens"] or (
                word.billed.output_tokens > row["worst_output_tokens"]
            ):
                above.append(word.attempt)
        rest = sorted(worst.keys() - {word.attempt for word in words}) if accept_rest else []
        for attempt in rest:
            ledger.accept(attempt)
    return Closed([word.attempt for word in words], rest, above)


def disown(database: Database, host: str) -> int:
    """Take the user's word that no process of another host is at work any more; returns how many attempts it had.

    They are open then, and batches can be collected here. Raises ``UserError`` for a host that has none.
    """
    with database.transaction() as link:
        query = "SELECT DISTINCT owner FROM attempts WHERE outcome = 'reserved'"
        owners = [row["owner"] for row in link.execute(query) if host_of(row["owner"]) == host]
        if host == host_of():
            problem = "is this host, whose processes are looked for without your word"
            raise UserError(f"--host-gone {host}", problem, "leave it out")
        if not owners:
            cure = "bridge-distill ledger show lists the hosts that have some"
            raise UserError(f"--host-gone {host}", "has no attempt under way", cure)
        update = "UPDATE attempts SET owner = '' WHERE outcome = 'reserved' AND owner = ?"
        return sum(link.execute(update, (owner,)).rowcount for owner in owners)


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


def _billed(text: str) -> Word:
    match = _BILLED.fullmatch(text.strip())
    if match is None:
        raise UserError(f"--billed {text}", "is not ID=INPUT,OUTPUT", "write, say, --billed 17=120,256")
    attempt, inputs, outputs = map(int, match.groups())
    if max(inputs, outputs) > MOST_TOKENS:
        raise UserError(f"--billed {text}", "is more than one request can use", "give the tokens of this attempt alone")
    return Word(attempt, Usage(inputs, outputs))
