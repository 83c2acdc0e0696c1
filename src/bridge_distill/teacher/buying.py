"""Ask for replies, many at a time, inside the caps and in order, without losing one that was paid for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bridge_distill.config import Teacher
from bridge_distill.engine.progress import Tick
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import BudgetExhausted, Caps, Usage
from bridge_distill.teacher.jobs import Job
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Failure, Fatal, NotBilled, Provider, Request, Unknown
from bridge_distill.teacher.store import ReplyStore

FAILURES_IN_A_ROW = 5
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Terms:
    """Who pays (``scope``), at what price, up to what."""

    scope: str
    tariff: Tariff
    caps: Caps


@dataclass(slots=True)
class Purchase:
    """How buying ended: requests that failed for good with their reason, and the cap that ended it, if one did."""

    failed: dict[str, str] = field(default_factory=dict)
    exhausted: str | None = None
    stopped: Exception | None = None


def worst_case(provider: Provider, request: Request) -> Usage:
    """The most that one attempt can be billed for."""
    return Usage(provider.worst_input_tokens(request.messages), request.max_output_tokens)


class Buyer:
    """Workers that take jobs in order; call ``buy`` once, inside an event loop.

    Between a reservation and its request nothing is awaited, so a cancellation finds an attempt
    either unreserved or on its way; one on its way stays charged. The next job waits while its
    worst case does not fit beside what is under way: what is bought does not depend on concurrency.
    """

    def __init__(
        self, provider: Provider, ledger: Ledger, store: ReplyStore, terms: Terms, teacher: Teacher, pause: float = 0.5
    ) -> None:
        self._provider, self._ledger, self._store, self._terms = provider, ledger, store, terms
        self._teacher, self._pause = teacher, pause
        self._purchase = Purchase()
        self._failures_in_a_row = 0
        self._under_way = 0

    async def buy(self, jobs: Sequence[Job], tick: Tick) -> Purchase:
        """Ask for every job, until a cap, the circuit breaker or a fatal refusal ends it.

        What is under way by then is still received and kept. Raises ``UserError`` only before the
        first request; a later one stands in the result's ``stopped``.
        """
        self._turn, self._landed = asyncio.Lock(), asyncio.Event()
        await self._provider.open()
        queue = iter(jobs)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._teacher.concurrency, len(jobs))):
                    group.create_task(self._work(queue, tick))
        finally:
            await self._provider.close()
        return self._purchase

    async def _work(self, queue: Iterator[Job], tick: Tick) -> None:
        try:
            while True:
                async with self._turn:
                    job = None if self._over() else next(queue, None)
                    attempt = None if job is None else await self._reserve(job)
                if job is None or attempt is None:
                    return
                await self._obtain(job, attempt)
                tick()
        except Exception as error:
            # Kept, not raised: raising would cancel requests that others have under way, and lose their replies.
            self._purchase.stopped = self._purchase.stopped or error

    def _over(self) -> bool:
        return self._purchase.exhausted is not None or self._purchase.stopped is not None

    async def _reserve(self, job: Job) -> int | None:
        worst = worst_case(self._provider, job.request)
        terms = self._terms
        while not self._over():
            try:
                attempt = self._ledger.reserve(terms.scope, job.hash, worst, terms.caps, terms.tariff)
            except BudgetExhausted as end:
                if self._under_way == 0:
                    self._purchase.exhausted = end.cap
                    return None
                self._landed.clear()
                await self._landed.wait()
            else:
                self._under_way += 1
                return attempt
        return None

    async def _obtain(self, job: Job, attempt: int) -> None:
        failure = await self._attempt(job, attempt)
        for turn in range(self._teacher.attempts - 1):
            if failure is None or not failure.retry or self._over():
                break
            await asyncio.sleep(self._wait(failure, turn))
            async with self._turn:
                again = await self._reserve(job)
            if again is None:
                break
            failure = await self._attempt(job, again)
        self._note(job, failure)

    async def _attempt(self, job: Job, attempt: int) -> Failure | None:
        try:
            async with asyncio.timeout(self._teacher.timeout):
                answer = await self._provider.ask(job.request)
        except NotBilled as failure:
            self._ledger.release(attempt, failure.reason, sent=failure.sent)
            return failure
        except Unknown as failure:
            self._ledger.doubt(attempt, failure.reason)
            return failure
        except TimeoutError:
            self._ledger.doubt(attempt, "timeout")
            return Unknown(f"no reply within {self._teacher.timeout:g} s")
        except BaseException as error:
            self._ledger.doubt(attempt, type(error).__name__)
            raise
        else:
            self._store.put(self._ledger, attempt, job.identity, answer)
            return None
        finally:
            self._under_way -= 1
            self._landed.set()

    def _wait(self, failure: Failure, turn: int) -> float:
        if failure.wait is not None:
            return min(failure.wait, LONGEST_PAUSE)
        return min(self._pause * 2.0**turn * random.uniform(0.5, 1.5), LONGEST_PAUSE)

    def _note(self, job: Job, failure: Failure | None) -> None:
        """Stop buying at a refusal that all requests share, or when the server has failed too often in a row."""
        if failure is None:
            self._failures_in_a_row = 0
            return
        purchase = self._purchase
        purchase.failed[job.hash] = failure.reason
        if isinstance(failure, Fatal):
            purchase.stopped = purchase.stopped or failure.error
        elif failure.retry:
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= FAILURES_IN_A_ROW:
                problem = f"{FAILURES_IN_A_ROW} requests in a row failed, the last one with: {failure.reason}"
                cure = "what was bought is kept; run again to go on"
                purchase.stopped = purchase.stopped or UserError("teacher.base_url", problem, cure)
