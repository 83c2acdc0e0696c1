"""The paid stage: chosen questions in, replies and the expert's rationales out, inside the budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.config import Budget, Teacher
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question, Rationale, Reply
from bridge_distill.teacher.budget import dollars, resolve_caps
from bridge_distill.teacher.buying import Buyer, Purchase, Terms
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.jobs import Job, jobs_of
from bridge_distill.teacher.judging import KEPT, judge
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import tariff_of
from bridge_distill.teacher.providers import Provider, providers
from bridge_distill.teacher.store import ReplyStore, StoredReply


def teach(
    teacher: Teacher, budget: Budget, scope: str, data: Path, select: Path, store: Path, folder: Path
) -> dict[str, Any]:
    """Buy replies to the chosen questions, best first, and judge them.

    ``scope`` names the run that the caps hold for, ``store`` is the SQLite file of ledger and
    replies, ``folder`` receives replies.parquet and rationales.parquet, in order of choice. Running
    out of budget is a normal end. Returns the stage's figures; money is an exact string in USD.
    """
    pool = artifacts.train_questions(data)
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, pool)
    terms = Terms(scope, tariff_of(teacher, budget), resolve_caps(budget, len(pool)))
    jobs = jobs_of(teacher, provider, _chosen(pool, select))
    with Database(store) as database:
        ledger, replies = Ledger(database), ReplyStore(database)
        purchase = _buy(jobs, provider, ledger, replies, terms, teacher)
        stored = replies.get(job.hash for job in jobs)
        _check(jobs, stored, purchase, terms)
        rows = [_reply(job, stored[job.hash], provider, scope) for job in jobs if job.hash in stored]
        asked = {job.question.id: job.question for job in jobs}
        rationales = [judge(row, asked[row.question_id], teacher.max_words) for row in rows]
        figures = _figures(jobs, rows, rationales, purchase, ledger, terms)
    write_rows(folder / artifacts.REPLIES, Reply, rows)
    write_rows(folder / artifacts.RATIONALES, Rationale, rationales)
    return figures


def check(teacher: Teacher, budget: Budget, with_key: bool) -> None:
    """Raise ``UserError`` for settings under which ``teach`` could not pay; sends nothing.

    ``with_key`` also asks for a usable key.
    """
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, [])
    tariff_of(teacher, budget)

    async def opened() -> None:
        await provider.open()
        await provider.close()

    if with_key:
        asyncio.run(opened())


def _chosen(pool: Sequence[Question], select: Path) -> list[Question]:
    by_id = {question.id: question for question in pool}
    ranks = {choice.question_id: choice.rank for choice in artifacts.choices(select) if choice.chosen}
    return [by_id[key] for key in sorted(ranks, key=lambda key: (ranks[key] is None, ranks[key] or 0))]


def _buy(
    jobs: Sequence[Job], provider: Provider, ledger: Ledger, store: ReplyStore, terms: Terms, teacher: Teacher
) -> Purchase:
    known = store.get(job.hash for job in jobs)
    wanted = list({job.hash: job for job in jobs if job.hash not in known}.values())
    if not wanted:
        return Purchase()
    with progress("asking the teacher", len(wanted)) as tick:
        return asyncio.run(Buyer(provider, ledger, store, terms, teacher).buy(wanted, tick))


def _check(jobs: Sequence[Job], stored: dict[str, StoredReply], purchase: Purchase, terms: Terms) -> None:
    """Stop where buying broke off, or where nothing at all was obtained."""
    if purchase.stopped is not None:
        raise purchase.stopped
    if stored:
        return
    if not jobs:
        raise UserError("select", "chose no question", "lower its demands")
    if purchase.failed:
        reason = next(iter(purchase.failed.values()))
        problem = f"none of {len(purchase.failed)} requests was answered; the first one's reason: {reason}"
        raise UserError("teacher.provider", problem, "mend that and run again")
    cap = (purchase.exhausted or "queries").removesuffix("_micros")
    problem = f"run {terms.scope!r} has too little left for the worst case of one request"
    raise UserError(f"budget.{cap}", problem, "raise the cap, lower teacher.max_output_tokens, or use a new run name")


def _reply(job: Job, found: StoredReply, provider: Provider, scope: str) -> Reply:
    return Reply(
        question_id=job.question.id,
        sample=job.request.sample,
        request_hash=job.hash,
        provider=provider.family,
        model=provider.model,
        text=found.text,
        finish=found.finish,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        usd_micros=found.usd_micros,
        # Whoever paid first, this run is asked again after a crash: who paid decides, not when.
        stored=found.scope != scope,
    )


def _figures(
    jobs: Sequence[Job],
    rows: Sequence[Reply],
    rationales: Sequence[Rationale],
    purchase: Purchase,
    ledger: Ledger,
    terms: Terms,
) -> dict[str, Any]:
    spent = ledger.total(terms.scope)
    have = {row.request_hash for row in rows}
    missing = [job for job in jobs if job.hash not in have]
    failed = [job for job in missing if job.hash in purchase.failed]
    return {
        "provider": rows[0].provider,
        "model": terms.tariff.model,
        "queries": spent.queries,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "usd": dollars(spent.usd_micros),
        "price_source": terms.tariff.source,
        "attempts": ledger.outcomes(terms.scope),
        "replies": len(rows),
        "from_store": sum(row.stored for row in rows),
        "failed": [
            {"question": job.question.id, "sample": job.request.sample, "reason": purchase.failed[job.hash]}
            for job in failed
        ],
        "unasked": len(missing) - len(failed),
        "rationales": dict(sorted(Counter(row.reason or KEPT for row in rationales).items())),
        "exhausted": purchase.exhausted is not None,
    }
