"""Ask for replies, many at a time, inside the caps and in order, without losing one that was paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tenacity

from bridge_distill.config import Teacher
from bridge_distill.engine.progress import Tick, say
from bridge_distill.errors import UserError
from bridge_distill.teacher.admission import Admission
from bridge_distill.teacher.budget import BudgetExhausted
from bridge_distill.teacher.database import Unwritable
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.interrupted import INTERRUPTED
from bridge_distill.teacher.jobs import Job, worst_case
from bridge_distill.teacher.ledger import Ask, Ledger, Terms
from bridge_distill.teacher.pace import LONGEST_PAUSE, Pace
from bridge_distill.teacher.providers import Answer, Failure, Fatal, NotBilled, Provider, Request, Unknown
from bridge_distill.teacher.store import ReplyStore

BREAK_AFTER = 20
# While one worker's request is under way, another's is being reserved or written down, so that the provider,
# and the connections to it, do not wait for the disk.
WORKERS_A_PLACE = 2
LOOK_AGAIN = 1.0


class Stopped(Exception):  # noqa: N818
    """The user wants no more bought."""


@dataclass(slots=True)
class Purchase:
    """How buying ended: requests that failed for good with their reason, and the cap that ended it, if one did."""

    failed: dict[str, str] = field(default_factory=dict)
    exhausted: str | None = None
    stopped: Exception | None = None


class Buyer:
    """Workers that take jobs in order; call ``buy`` once, inside an event loop.

    A request leaves when its worst case is durably reserved. A cancellation finds an attempt on its
    way, which stays charged, or one that surely was not sent, which is taken back.
    """

    def __init__(
        self, provider: Provider, desk: Desk, ledger: Ledger, store: ReplyStore, terms: Terms, teacher: Teacher
    ) -> None:
        self._provider, self._desk, self._ledger, self._store = provider, desk, ledger, store
        self._terms, self._teacher = terms, teacher
        self._purchase = Purchase()
        self._failures_in_a_row = 0
        self._holds_replies = False

    def stop(self) -> None:
        """Ask for nothing more; ``buy`` returns when what is under way has landed."""
        say("stopping: what is under way is still received and kept (Ctrl-C once more gives it up)")
        self._stop(Stopped())

    async def buy(self, jobs: Sequence[Job], tick: Tick) -> Purchase:
        """Ask for every job, until a cap, the circuit breaker or a fatal refusal ends it.

        What is under way by then is still received and kept; why it stopped stands in the result.
        """
        kept = self._teacher.keep_at_provider
        asks = [Ask(job.hash, worst_case(self._provider, job.request), job.identity if kept else "") for job in jobs]
        self._pace = Pace(self._teacher, max(ask.worst.input_tokens + ask.worst.output_tokens for ask in asks))
        self._admission = Admission(self._desk, self._ledger, self._terms)
        self._places = asyncio.Semaphore(self._teacher.concurrency)
        self._over = asyncio.Event()
        self._retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Failure) and error.retry),
            wait=_pause,
            stop=lambda state: self._over.is_set() or state.attempt_number >= self._teacher.attempts,
            sleep=self._sleep,
            reraise=True,
        )
        queue = iter(zip(range(len(jobs)), jobs, asks, strict=True))
        clerk = asyncio.create_task(self._admission.serve())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(WORKERS_A_PLACE * self._teacher.concurrency, len(jobs))):
                    group.create_task(self._work(queue, tick))
        finally:
            clerk.cancel()
            await asyncio.gather(clerk, return_exceptions=True)
        return self._purchase

    async def _work(self, queue: Iterator[tuple[int, Job, Ask]], tick: Tick) -> None:
        try:
            for rank, job, ask in queue:
                if self._over.is_set():
                    return
                await self._obtain(rank, job, ask)
                tick()
        except BudgetExhausted as end:
            self._purchase.exhausted = end.cap
        except Exception as error:
            # Kept, not raised: raising would cancel requests that others have under way, and lose their replies.
            self._stop(error)

    async def _obtain(self, rank: int, job: Job, ask: Ask) -> None:
        try:
            await self._retrying.copy()(self._attempt, rank, job, ask)
        except Failure as failure:
            self._purchase.failed[job.hash] = failure.reason

    async def _attempt(self, rank: int, job: Job, ask: Ask) -> None:
        grant = await self._admission.grant(rank, ask)
        if grant.state == "stored":
            return
        try:
            await self._send(grant.attempt, job, ask)
        finally:
            self._admission.landed()

    async def _send(self, attempt: int, job: Job, ask: Ask) -> None:
        """Send one attempt and write down what became of it, before anyone hears of it."""
        ledger, sent = self._ledger, False
        try:
            async with self._places:
                await self._unless_over(self._pace.wait(ask.worst.input_tokens + ask.worst.output_tokens))
                if self._over.is_set():
                    raise NotBilled("stopped before it was sent", sent=False)
                sent = True
                answer = await self._answer(job.request, ledger.tag(attempt))
        except NotBilled as failure:
            self._count(failure)
            await self._desk.do(ledger.release, attempt, failure.reason, sent=failure.sent)
            raise
        except Unknown as failure:
            self._count(failure)
            await self._desk.do(ledger.doubt, attempt, failure.reason)
            found = await self._kept(attempt)
            if found is None:
                raise
            answer = found
        except BaseException as error:
            note = INTERRUPTED if isinstance(error, asyncio.CancelledError) else type(error).__name__
            self._desk.hand_in(ledger.doubt if sent else ledger.release, attempt, note)
            raise
        # Before anything is awaited: a failure that comes while this reply is written down must count.
        self._failures_in_a_row = 0
        await self._keep(attempt, job, answer)

    async def _keep(self, attempt: int, job: Job, answer: Answer) -> None:
        """Write a paid reply down; where the disk takes nothing, buy no more and hold it until the disk does."""
        while True:
            try:
                return await self._desk.do(self._store.put, self._ledger, attempt, job.identity, answer)
            except Unwritable as error:
                self._stop(error)
                if not self._holds_replies:
                    say(f"{error} Nothing more is bought; what is paid for waits in memory until it can be written.")
                self._holds_replies = True
                await asyncio.sleep(LOOK_AGAIN)

    async def _kept(self, attempt: int) -> Answer | None:
        """The lost reply, where the provider keeps replies and has it: asking for it is free."""
        if not self._teacher.keep_at_provider:
            return None
        try:
            async with asyncio.timeout(self._teacher.timeout):
                return await self._provider.recover(self._ledger.tag(attempt), datetime.now(UTC))
        except (Failure, TimeoutError):
            return None

    async def _answer(self, request: Request, tag: str) -> Answer:
        try:
            async with asyncio.timeout(self._teacher.timeout):
                return await self._provider.ask(request, tag)
        except TimeoutError:
            raise Unknown(f"no reply within {self._teacher.timeout:g} s") from None

    def _count(self, failure: Failure) -> None:
        """Hold everyone back where the provider says so; stop where all would fail, or too many did in a row.

        Called before anything is awaited, so that nobody sends in between.
        """
        if isinstance(failure, Fatal):
            self._stop(failure.error)
        if failure.wait is not None:
            self._pace.hold(failure.wait)
        if not failure.retry or (isinstance(failure, NotBilled) and failure.sent):
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row == BREAK_AFTER:
            problem = f"{BREAK_AFTER} requests in a row failed, the last one with: {failure.reason}"
            self._stop(UserError("teacher.base_url", problem, "what was bought is kept; run again to go on"))

    def _stop(self, error: Exception) -> None:
        self._purchase.stopped = self._purchase.stopped or error
        self._over.set()
        self._admission.refuse(error)

    async def _sleep(self, seconds: float) -> None:
        await self._unless_over(asyncio.sleep(seconds))

    async def _unless_over(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait, or less when buying stops meanwhile."""
        ready, over = asyncio.ensure_future(waiting), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((ready, over), return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
        finally:
            ready.cancel()
            over.cancel()


_backing_off = tenacity.wait_exponential_jitter(multiplier=0.5, max=LONGEST_PAUSE)


def _pause(state: tenacity.RetryCallState) -> float:
    """What the provider asks for, else exponentially more with jitter."""
    error = state.outcome.exception() if state.outcome is not None else None
    wait = error.wait if isinstance(error, Failure) else None
    return min(wait, LONGEST_PAUSE) if wait is not None else float(_backing_off(state))
