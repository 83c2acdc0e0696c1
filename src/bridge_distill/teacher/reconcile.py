"""Close attempts whose outcome nobody knows: by asking the provider, else by the user's word."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge_distill.config import Teacher
from bridge_distill.engine.progress import say
from bridge_distill.errors import UserError
from bridge_distill.teacher.batch_books import Batch, BatchBooks
from bridge_distill.teacher.batching import BatchBuyer
from bridge_distill.teacher.budget import Limits, Payer, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.ledger import Ledger, NotOpen, Terms
from bridge_distill.teacher.prices import UNPRICED, Tariff
from bridge_distill.teacher.providers import Answer, Failure, Provider, providers
from bridge_distill.teacher.store import ReplyStore

AT_ONCE = 16
# No request has ever used more; a typing error must not ruin the books.
MOST_TOKENS = 10**9
_BILLED = re.compile(r"([0-9]{1,18})=([0-9]{1,18}),([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Word:
    """What the user says of one attempt: the tokens that were billed, or None for not billed."""

    attempt: int
    billed: Usage | None


@dataclass(slots=True)
class Asked:
    """What the provider said: attempts settled with their reply, batches collected, and why others stay open."""

    settled: list[int] = field(default_factory=list)
    collected: list[str] = field(default_factory=list)
    silent: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closed:
    """Attempts that the user's word closed, those of the rest accepted at their worst case, those billed above it."""

    said: list[int]
    accepted: list[int]
    above: list[int]


def ask_providers(teachers: Iterable[Teacher], database: Database, run: str | None = None) -> Asked:
    """What ``ask_provider`` hears from several teachers."""
    asked = Asked()
    for teacher in teachers:
        found = ask_provider(teacher, database, run)
        asked.settled += found.settled
        asked.collected += found.collected
        asked.silent |= found.silent
    asked.silent = {attempt: reason for attempt, reason in asked.silent.items() if attempt not in asked.settled}
    return asked


def ask_provider(teacher: Teacher, database: Database, run: str | None = None) -> Asked:
    """Fetch replies that a teacher's provider kept, and collect batches that nobody waits for, when they have ended.

    Needs no key where there is nothing to ask. Raises ``UserError`` where the provider cannot be asked at
    all; what was heard by then is written down.
    """
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, [])
    ledger, store = Ledger(database), ReplyStore(database)
    batches = BatchBooks(ledger, store).uncollected(provider) if provider.batches is not None else []
    if not batches and not _askable(ledger.open_attempts(run), provider):
        return Asked()
    if batches:
        say(f"collecting {len(batches)} batches, however long they take; stopping loses nothing")
    with Desk(database) as desk:
        return asyncio.run(_ask(teacher, provider, desk, ledger, store, batches, run))


async def recover(provider: Provider, desk: Desk, ledger: Ledger, store: ReplyStore, run: str | None = None) -> Asked:
    """Fetch lost replies of this provider's model, where it kept them, and settle their attempts."""
    asked, turn = Asked(), asyncio.Semaphore(AT_ONCE)

    async def one(row: sqlite3.Row) -> Answer | None:
        async with turn:
            try:
                return await provider.recover(ledger.tag(row["id"]), datetime.fromisoformat(row["time"]))
            except Failure as failure:
                asked.silent[row["id"]] = failure.reason
                return None

    rows = _askable(await desk.do(ledger.open_attempts, run), provider)
    answers = await asyncio.gather(*(one(row) for row in rows))
    for row, answer in zip(rows, answers, strict=True):
        if answer is None:
            asked.silent.setdefault(row["id"], "the provider has no reply under its name")
            continue
        try:
            await desk.do(_enter, ledger, store, row, answer)
        except NotOpen:  # another process was faster
            continue
        asked.settled.append(row["id"])
    return asked


def _enter(ledger: Ledger, store: ReplyStore, row: sqlite3.Row, answer: Answer) -> None:
    with ledger.database.transaction():
        ledger.doubt(row["id"], row["note"] or "lost, then fetched from the provider")
        store.put(ledger, row["id"], row["request"], answer)


async def _ask(
    teacher: Teacher,
    provider: Provider,
    desk: Desk,
    ledger: Ledger,
    store: ReplyStore,
    batches: Iterable[Batch],
    run: str | None,
) -> Asked:
    await provider.open()
    try:
        asked = await recover(provider, desk, ledger, store, run)
        if batches:
            # Nothing is bought here: what a batch costs stands in the books of its attempts.
            terms = Terms(Payer(""), Tariff(provider.model, None, UNPRICED), Limits())
            buyer = BatchBuyer(provider, desk, ledger, store, terms, teacher)
            stopped = (await buyer.buy([], lambda done=1: None)).stopped
            if stopped is not None:
                raise stopped
            asked.collected = [batch.name for batch in batches]
        return asked
    finally:
        await provider.close()


def can_be_asked(row: sqlite3.Row) -> bool:
    """Whether the request of an open attempt was kept, so that a provider that kept the reply can give it."""
    return row["request"] is not None and row["batch"] is None


def _askable(rows: Iterable[sqlite3.Row], provider: Provider) -> list[sqlite3.Row]:
    found = [row for row in rows if can_be_asked(row) and row["model"] == provider.model]
    return [row for row in found if json.loads(row["request"])["provider"] == provider.family]


def read_words(billed: Sequence[str], not_billed: Sequence[int]) -> list[Word]:
    """The user's words, ``billed`` ones as ``ID=INPUT,OUTPUT``; raises ``UserError`` for one that makes no sense."""
    words = [_billed(text) for text in billed] + [Word(attempt, None) for attempt in not_billed]
    for attempt, number in Counter(word.attempt for word in words).items():
        if number > 1:
            raise UserError(f"attempt {attempt}", "is spoken of twice", "say one thing of each attempt")
    return words


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
            ledger.doubt(word.attempt, "billed, by the user's word")
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


def _billed(text: str) -> Word:
    match = _BILLED.fullmatch(text.strip())
    if match is None:
        raise UserError(f"--billed {text}", "is not ID=INPUT,OUTPUT", "write, say, --billed 17=120,256")
    attempt, inputs, outputs = map(int, match.groups())
    if max(inputs, outputs) > MOST_TOKENS:
        raise UserError(f"--billed {text}", "is more than one request can use", "give the tokens of this attempt alone")
    return Word(attempt, Usage(inputs, outputs))
