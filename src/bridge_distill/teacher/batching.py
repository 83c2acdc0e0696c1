"""Ask through a provider's batch API: half the price, some hours, and nothing lost to a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from bridge_distill.config import Teacher
from bridge_distill.engine.progress import Tick
from bridge_distill.errors import UserError
from bridge_distill.teacher.batch_books import Batch, BatchBooks
from bridge_distill.teacher.buying import BREAK_AFTER, Purchase
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.jobs import Job, worst_case
from bridge_distill.teacher.ledger import Ask, Ledger, Terms
from bridge_distill.teacher.providers import Answer, Batches, Failure, Fatal, NotBilled, Provider, Unknown
from bridge_distill.teacher.store import ReplyStore

T = TypeVar("T")
AT_ONCE = 200


class BatchBuyer:
    """Batches one after another, each of the best jobs that the caps leave room for; call ``buy`` once.

    Batches that an earlier process left are collected first. What a batch did not answer is asked
    again in the next one, up to ``teacher.attempts`` times.
    """

    def __init__(
        self, provider: Provider, desk: Desk, ledger: Ledger, store: ReplyStore, terms: Terms, teacher: Teacher
    ) -> None:
        if provider.batches is None:
            raise UserError("teacher.batch", f"provider {provider.family} has no batch API", "leave teacher.batch out")
        self._provider, self._batches, self._desk = provider, provider.batches, desk
        self._terms, self._teacher = terms, teacher
        self._books, self._store = BatchBooks(ledger, store), store
        self._purchase = Purchase()

    async def buy(self, jobs: Sequence[Job], tick: Tick) -> Purchase:
        """Ask for every job, until a cap or a fatal refusal ends it; why it stopped stands in the result.

        Without a job it only collects what earlier processes left.
        """
        try:
            for batch in await self._desk.do(self._books.uncollected, self._provider):
                await self._collect(batch)
            await self._buy(jobs, tick)
        except Fatal as failure:
            self._purchase.stopped = failure.error
        except Failure as failure:
            cure = "what was submitted is noted; run again to go on"
            self._purchase.stopped = UserError("teacher.batch", failure.reason, cure)
        return self._purchase

    async def _buy(self, jobs: Sequence[Job], tick: Tick) -> None:
        turns = {job.hash: 0 for job in jobs}
        left = await self._unanswered(jobs)
        tick(len(jobs) - len(left))
        while left:
            first = left[: self._batches.limit]
            asks = [Ask(job.hash, worst_case(self._provider, job.request), job.identity) for job in first]
            made = await self._desk.do(self._books.prepare, self._provider, self._terms, first, asks)
            if made.batch is None and made.end is not None and not made.others:
                self._purchase.exhausted = made.end.cap
                return
            if made.batch is None:  # what is left is under way in another process
                await asyncio.sleep(self._teacher.poll_seconds)
                left = await self._unanswered(left)
                continue
            await self._collect(await self._submit(made.batch, made.jobs))
            for job in made.jobs.values():
                turns[job.hash] += 1
            before, left = len(left), await self._unanswered(left)
            left = [job for job in left if turns[job.hash] < self._teacher.attempts]
            tick(before - len(left))

    async def _unanswered(self, jobs: Sequence[Job]) -> list[Job]:
        stored = await self._desk.do(self._store.get, [job.hash for job in jobs])
        for key in stored:
            self._purchase.failed.pop(key, None)
        return [job for job in jobs if job.hash not in stored]

    async def _submit(self, batch: Batch, jobs: dict[str, Job]) -> Batch:
        requests = {custom: job.request for custom, job in jobs.items()}
        try:
            found = await self._again(lambda: self._batches.submit(batch.name, requests))
        except NotBilled as failure:
            await self._desk.do(self._books.collected, batch, failure.reason, billed=False)
            raise
        except Unknown:
            return batch
        return await self._desk.do(self._books.submitted, batch, found)

    async def _collect(self, batch: Batch) -> None:
        """Wait until a batch has ended and write down every result."""
        if batch.provider_id is None:
            await asyncio.sleep(self._teacher.poll_seconds)  # a submission whose answer was lost may still arrive
            found = await self._patiently(lambda: self._batches.find(batch.name, batch.since))
            if found is None:
                note = "never arrived at the provider"
                await self._desk.do(self._books.collected, batch, note, billed=False)
                return
            batch = await self._desk.do(self._books.submitted, batch, found)
        provider_id = batch.provider_id
        assert provider_id is not None
        while not (state := await self._patiently(lambda: self._batches.state(provider_id))).ended:
            await asyncio.sleep(self._teacher.poll_seconds)
        await self._patiently(lambda: self._fetch(batch, self._batches, provider_id))
        missing = await self._desk.do(self._books.collected, batch, state.words, state.billed)
        self._purchase.failed.update(missing)

    async def _fetch(self, batch: Batch, batches: Batches, provider_id: str) -> None:
        some: list[tuple[str, Answer | Failure]] = []
        async for result in batches.results(provider_id):
            some.append(result)
            if len(some) == AT_ONCE:
                await self._enter(batch, some)
                some = []
        await self._enter(batch, some)

    async def _enter(self, batch: Batch, results: list[tuple[str, Answer | Failure]]) -> None:
        self._purchase.failed.update(await self._desk.do(self._books.enter, batch, results))

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a submission that was surely not accepted, as often as ``teacher.attempts`` says."""
        for _ in range(self._teacher.attempts - 1):
            try:
                return await call()
            except NotBilled as failure:
                if not failure.retry:
                    raise
                await asyncio.sleep(self._teacher.poll_seconds if failure.wait is None else failure.wait)
        return await call()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a question about a batch until it is answered; asking is free, and the batch may take a day."""
        for _ in range(BREAK_AFTER - 1):
            try:
                return await call()
            except Failure as failure:
                if not failure.retry:
                    raise
                await asyncio.sleep(self._teacher.poll_seconds if failure.wait is None else failure.wait)
        return await call()
