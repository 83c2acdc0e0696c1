"""What teaching would cost, before anything is paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from bridge_distill.config import Budget, Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.budget import ALL, LEVELS, Level, Limits, Spend, has_shares, payer_of, resolve_limits, shown
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.expected import Expected
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import Tariff, tariff_of
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.survey import Candidates, chosen, nominal, survey

MINUTE = 60


@dataclass(frozen=True, slots=True)
class _Books:
    """Limits, and what is charged under each already."""

    limits: Limits
    spent: dict[Level, Spend]

    def stop(self, more: Spend) -> str | None:
        """The cap that ``more`` would pass, or None."""
        for level in LEVELS:
            cap = self.limits.at(level).exceeded(self.spent[level] + more)
            if cap is not None:
                return cap if level == "run" else f"{level}.{cap}"
        return None

    def bound(self, worst: Spend) -> Spend:
        """The caps hold whatever happens: the worst case is what they leave, where that is less."""
        values = asdict(worst)
        for level in LEVELS:
            spent = asdict(self.spent[level])
            for name, cap in asdict(self.limits.at(level)).items():
                if cap is not None:
                    values[name] = min(values[name], max(cap - spent[name], 0))
        return Spend(**values)


def plan(
    teacher: Teacher,
    budget: Budget,
    run: str,
    pool: Iterable[Question],
    size: int,
    asked: Sequence[Question] | int,
    store: Path,
    share: Fraction = ALL,
) -> dict[str, Any]:
    """Expected and worst-case cost of asking, under every cap, directly and through a batch API.

    ``asked`` are the chosen questions, best first, or how many of the ``pool`` of ``size`` questions would
    be chosen: then the expectation is that of average questions, the worst case that of the longest.
    ``share`` is what of the run's own caps may be used. The pool is read once at the most and never held. What
    the store has costs nothing. Needs no key and no network, and creates no file. Money is an exact string in USD.
    """
    tariff = tariff_of(teacher, budget)
    with ExitStack() as stack:
        database = stack.enter_context(Database(store)) if store.exists() else None
        expected = Expected.of(teacher, database)
        found = (
            survey(teacher, tariff, pool, asked, has_shares(budget), database)
            if isinstance(asked, int)
            else chosen(teacher, asked, database)
        )
        limits = resolve_limits(budget, size, lambda: found.whole or nominal(teacher, tariff, pool), share)
        books = _Books(limits, _spent(database, run, budget))
    tariffs = _tariffs(teacher, tariff)
    price = tariff.price
    return {
        "model": tariff.model,
        "price": None if price is None else {"input": str(price.input), "output": str(price.output)},
        "price_source": tariff.source,
        "caps": {level: shown(limits.at(level)) for level in LEVELS},
        "spent": {level: shown(books.spent[level]) for level in LEVELS},
        "from_store": found.stored,
        "replies_seen": expected.replies,
        "mode": "batch" if teacher.batch and "batch" in tariffs else "direct",
        "modes": {mode: _walk(found, expected, books, rate, teacher) for mode, rate in tariffs.items()},
    }


def _spent(database: Database | None, run: str, budget: Budget) -> dict[Level, Spend]:
    if database is None:
        return dict.fromkeys(LEVELS, Spend())
    ledger = Ledger(database)
    return {level: ledger.total(payer_of(run, budget), level) for level in LEVELS}


def _tariffs(teacher: Teacher, tariff: Tariff) -> dict[str, Tariff]:
    """The tariff of each way to ask: one request at a time, and in batches where the provider takes them."""
    provider = providers.get(teacher.provider, "teacher.provider")(teacher, [])
    if provider.batches is None:
        return {"direct": tariff}
    return {"direct": tariff, "batch": tariff.batched(provider.batch_share)}


def _walk(found: Candidates, expected: Expected, books: _Books, tariff: Tariff, teacher: Teacher) -> dict[str, Any]:
    """Ask in order, as expected, until the worst case of the next request would pass a cap."""
    likely = worst = Spend()
    requests, stopped = 0, None
    micros = cache(tariff.micros)  # many requests are of one size
    for usage, bound in zip(found.likely(expected), found.worst, strict=False):
        most = Spend(1, bound.input_tokens, bound.output_tokens, micros(bound))
        stopped = books.stop(likely + most)
        if stopped is not None:
            break
        requests += 1
        likely += Spend(1, usage.input_tokens, usage.output_tokens, micros(usage))
        worst += most
    return {
        "requests": requests,
        "expected": shown(likely),
        "worst": shown(books.bound(worst)),
        "stopped_by": stopped,
        "price_share": str(tariff.share),
        "seconds_at_limits": _seconds(teacher, requests, likely),
    }


def _seconds(teacher: Teacher, requests: int, likely: Spend) -> float | None:
    """The least time that the provider's rate limits allow, or None where none is given."""
    tokens = likely.input_tokens + likely.output_tokens
    limits = [(requests, teacher.requests_per_minute), (tokens, teacher.tokens_per_minute)]
    times = [MINUTE * used / limit for used, limit in limits if limit is not None]
    return round(max(times), 1) if times else None
