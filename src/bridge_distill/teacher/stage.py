"""The paid stage: chosen questions in, replies and the expert's rationales out, inside the budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.config import Budget, Teacher
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question, Rationale, Reply
from bridge_distill.teacher.batching import BatchBuyer
from bridge_distill.teacher.budget import ALL, dollars, owner_of, payer_of, resolve_limits
from bridge_distill.teacher.buying import Buyer, Purchase, Stopped
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.interrupted import interrupted, take_back
from bridge_distill.teacher.jobs import Job, jobs_of
from bridge_distill.teacher.judging import KEPT, judge_all
from bridge_distill.teacher.ledger import Ledger, Terms
from bridge_distill.teacher.planning import plan
from bridge_distill.teacher.prices import tariff_of
from bridge_distill.teacher.providers import Provider, providers
from bridge_distill.teacher.reconcile import recover
from bridge_distill.teacher.stopping import at_interrupt
from bridge_distill.teacher.store import ReplyStore, StoredReply
from bridge_distill.teacher.survey import nominal


@dataclass(frozen=True)
class _Shop:
    """What buying works with."""

    teacher: Teacher
    provider: Provider
    terms: Terms
    ledger: Ledger
    store: ReplyStore


def teach(
    teacher: Teacher,
    budget: Budget,
    run: str,
    data: Path,
    select: Path,
    store: Path,
    folder: Path,
    share: Fraction = ALL,
) -> dict[str, Any]:
    """Buy replies to the chosen questions, best first, and judge them.

    ``run`` is charged, ``store`` is the SQLite file of ledger and replies, ``folder`` receives
    replies.parquet and rationales.parquet, in order of choice. ``share`` is what of the run's own caps may have
    been used when this is done: all, or the part that rounds have come to. Running out of budget is a normal end.
    Returns the stage's figures; money is an exact string in USD.
    """
    pool = artifacts.train_questions(data)
    questions = _chosen(pool, select)
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, questions)
    tariff = tariff_of(teacher, budget)
    limits = resolve_limits(budget, len(pool), lambda: nominal(teacher, tariff, pool), share)
    rate = tariff.batched(provider.batch_share) if teacher.batch else tariff
    terms = Terms(payer_of(run, budget), rate, limits)
    jobs = jobs_of(teacher, provider, questions)
    with Database(store) as database:
        replies = ReplyStore(database)
        shop = _Shop(teacher, provider, terms, Ledger(database), replies)
        planned = plan(teacher, budget, run, pool, len(pool), questions, store, share)
        planned = replies.remember_plan(run, [job.hash for job in jobs], planned)
        purchase = _buy(shop, jobs)
        stored = replies.get(job.hash for job in jobs)
        _check(shop, jobs, stored, purchase)
        rows = [_reply(job, stored[job.hash], provider, run) for job in jobs if job.hash in stored]
        by_id = {question.id: question for question in questions}
        rationales = judge_all(rows, by_id, teacher.max_words, teacher.trace)
        figures = _figures(shop, jobs, rows, rationales, purchase)
    write_rows(folder / artifacts.REPLIES, Reply, rows)
    write_rows(folder / artifacts.RATIONALES, Rationale, rationales)
    return {**figures, "planned": planned}


def check(teacher: Teacher, budget: Budget, with_key: bool) -> None:
    """Raise ``UserError`` for settings under which ``teach`` could not pay; sends nothing.

    ``with_key`` also asks for a usable key.
    """
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, [])
    tariff_of(teacher, budget)
    if teacher.batch and provider.batches is None:
        raise UserError("teacher.batch", f"provider {provider.family} has no batch API", "leave teacher.batch out")

    async def opened() -> None:
        await provider.open()
        await provider.close()

    if with_key:
        asyncio.run(opened())


def _chosen(pool: Sequence[Question], select: Path) -> list[Question]:
    by_id = {question.id: question for question in pool}
    return [by_id[choice.question_id] for choice in artifacts.chosen(select)]


def _buy(shop: _Shop, jobs: Sequence[Job]) -> Purchase:
    """Fetch what earlier processes paid for and lost, then ask for what the store lacks."""
    known = shop.store.get(job.hash for job in jobs)
    wanted = list({job.hash: job for job in jobs if job.hash not in known}.values())
    if not wanted:
        return Purchase()
    with Desk(shop.ledger.database) as desk:
        return asyncio.run(_ask(shop, desk, wanted))


async def _ask(shop: _Shop, desk: Desk, wanted: Sequence[Job]) -> Purchase:
    provider, teacher = shop.provider, shop.teacher
    parts = (provider, desk, shop.ledger, shop.store, shop.terms, teacher)
    await provider.open()
    try:
        if provider.vendor is None:
            await desk.do(take_back, shop.ledger, [job.hash for job in wanted])
        if teacher.keep_at_provider:
            await recover(provider, desk, shop.ledger, shop.store)
        if provider.batches is not None and not teacher.batch:
            left = await BatchBuyer(*parts).buy([], lambda done=1: None)
            if left.stopped is not None:
                return left
        stored = await desk.do(shop.store.get, [job.hash for job in wanted])
        left_to_ask = [job for job in wanted if job.hash not in stored]
        if not left_to_ask:
            return Purchase()
        with progress("asking the teacher", len(left_to_ask)) as tick:
            if teacher.batch:  # a batch is collected by the next run
                return await BatchBuyer(*parts).buy(left_to_ask, tick)
            buyer = Buyer(*parts)
            with at_interrupt(buyer.stop):
                return await buyer.buy(left_to_ask, tick)
    finally:
        await provider.close()


def _check(shop: _Shop, jobs: Sequence[Job], stored: dict[str, StoredReply], purchase: Purchase) -> None:
    """Stop where buying broke off, where a kill would leave fewer replies, or where nothing at all was obtained."""
    if isinstance(purchase.stopped, Stopped):
        raise KeyboardInterrupt
    if purchase.stopped is not None:
        raise purchase.stopped
    run = shop.terms.payer.run
    if purchase.exhausted is not None and (left := len(interrupted(shop.ledger, run))):
        problem = f"is used up, in part by {left} requests that were under way when a process ended"
        cure = "close them with bridge-distill ledger reconcile (ledger show says how) and run again"
        raise UserError(f"budget.{purchase.exhausted}", problem, cure)
    if stored:
        return
    if not jobs:
        raise UserError("select", "chose no question", "lower its demands")
    if purchase.failed:
        reason = next(iter(purchase.failed.values()))
        problem = f"none of {len(purchase.failed)} requests was answered; the first one's reason: {reason}"
        raise UserError("teacher.provider", problem, "mend that and run again")
    problem = f"run {run!r} has too little left for the worst case of one request"
    cure = "raise the cap, lower teacher.max_output_tokens, or use a new run name"
    raise UserError(f"budget.{purchase.exhausted or 'queries'}", problem, cure)


def _reply(job: Job, found: StoredReply, provider: Provider, run: str) -> Reply:
    return Reply(
        question_id=job.question.id,
        sample=job.request.sample,
        request_hash=job.hash,
        provider=provider.family,
        model=provider.model,
        text=_utf8(found.text),
        finish=_utf8(found.finish),
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        usd_micros=found.usd_micros,
        # Whoever paid first, this run is asked again after a crash: who paid decides, not when.
        stored=owner_of(found.run) != owner_of(run),
        served_model=_utf8(found.served_model),
        reply_id=_utf8(found.reply_id),
    )


def _utf8(text: str) -> str:
    """Text that Parquet takes: half a surrogate pair becomes ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _figures(
    shop: _Shop, jobs: Sequence[Job], rows: Sequence[Reply], rationales: Sequence[Rationale], purchase: Purchase
) -> dict[str, Any]:
    payer, tariff = shop.terms.payer, shop.terms.tariff
    spent = shop.ledger.total(payer)
    have = {row.request_hash for row in rows}
    missing = [job for job in jobs if job.hash not in have]
    failed = [job for job in missing if job.hash in purchase.failed]
    return {
        "provider": shop.provider.family,
        "model": tariff.model,
        "queries": spent.queries,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "usd": dollars(spent.usd_micros),
        "price_source": tariff.source,
        "attempts": shop.ledger.outcomes(payer.run),
        "replies": len(rows),
        "from_store": sum(row.stored for row in rows),
        "served_by": dict(sorted(Counter(row.served_model for row in rows if row.served_model).items())),
        "failed": [
            {"question": job.question.id, "sample": job.request.sample, "reason": purchase.failed[job.hash]}
            for job in failed
        ],
        "unasked": len(missing) - len(failed),
        "rationales": dict(sorted(Counter(row.reason or KEPT for row in rationales).items())),
        "traces": dict(sorted(Counter(row.note or KEPT for row in rationales if row.note is not None).items())),
        "exhausted": purchase.exhausted is not None,
        "ended_by": purchase.exhausted,
    }
