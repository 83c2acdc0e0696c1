"""What teaching would cost, before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge_distill.config import Budget, Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.budget import Caps, Spend, Usage, dollars, resolve_caps
from bridge_distill.teacher.buying import worst_case
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.jobs import Job, jobs_of
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import Tariff, tariff_of
from bridge_distill.teacher.providers import Provider, Request, providers
from bridge_distill.teacher.store import ReplyStore

SIGNS_PER_TOKEN = 4
TOKENS_PER_WORD = 1.4


@dataclass(frozen=True, slots=True)
class _Forecast:
    requests: int
    expected: Spend
    worst: Spend
    stopped_by: str | None


def plan(
    teacher: Teacher, budget: Budget, scope: str, questions: Sequence[Question], pool: int, store: Path
) -> dict[str, Any]:
    """Expected and worst-case cost of asking ``questions``, best first, in a pool of ``pool`` rows.

    Walks the requests that the store lacks until a cap would stop the run ``scope``, whose spending
    so far counts. Needs no key and no network, and creates no file. Money is an exact string in USD.
    """
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, questions)
    tariff, caps = tariff_of(teacher, budget), resolve_caps(budget, pool)
    jobs = list({job.hash: job for job in jobs_of(teacher, provider, questions)}.values())
    spent, stored = _known(store, scope, jobs)
    forecast = _walk([job for job in jobs if job.hash not in stored], provider, teacher, tariff, caps, spent)
    return {
        "model": tariff.model,
        "price": None if tariff.price is None else {key: str(usd) for key, usd in tariff.price},
        "price_source": tariff.source,
        "caps": {**_tokens(asdict(caps)), "usd": None if caps.usd_micros is None else dollars(caps.usd_micros)},
        "spent": _shown(spent),
        "from_store": len(stored),
        "requests": forecast.requests,
        "expected": _shown(forecast.expected),
        "worst": _shown(forecast.worst),
        "stopped_by": forecast.stopped_by,
    }


def _known(store: Path, scope: str, jobs: Sequence[Job]) -> tuple[Spend, set[str]]:
    if not store.exists():
        return Spend(), set()
    with Database(store) as database:
        return Ledger(database).total(scope), set(ReplyStore(database).get(job.hash for job in jobs))


def _walk(
    jobs: Sequence[Job], provider: Provider, teacher: Teacher, tariff: Tariff, caps: Caps, spent: Spend
) -> _Forecast:
    expected = worst = Spend()
    for number, job in enumerate(jobs):
        bound = worst_case(provider, job.request)
        most = Spend(1, bound.input_tokens, bound.output_tokens, tariff.micros(bound))
        cap = caps.exceeded(spent + expected + most)
        if cap is not None:
            return _Forecast(number, expected, _capped(worst, caps, spent), cap.removesuffix("_micros"))
        likely = _likely(job.request, teacher)
        expected += Spend(1, likely.input_tokens, likely.output_tokens, tariff.micros(likely))
        worst += most
    return _Forecast(len(jobs), expected, _capped(worst, caps, spent), None)


def _likely(request: Request, teacher: Teacher) -> Usage:
    signs = sum(len(message["content"]) for message in request.messages)
    return Usage(signs // SIGNS_PER_TOKEN, min(round(teacher.max_words * TOKENS_PER_WORD), request.max_output_tokens))


def _capped(worst: Spend, caps: Caps, spent: Spend) -> Spend:
    """The caps hold whatever happens, so the bound is what they leave, where that is less."""
    left = {key: None if cap is None else max(cap - asdict(spent)[key], 0) for key, cap in asdict(caps).items()}
    bound = {key: value if left[key] is None else min(value, left[key] or 0) for key, value in asdict(worst).items()}
    return Spend(**bound)


def _shown(spend: Spend) -> dict[str, Any]:
    return {**_tokens(asdict(spend)), "usd": dollars(spend.usd_micros)}


def _tokens(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "usd_micros"}
