"""The desk at which all writing to the store is done: one thread, and one durable commit for all that waits."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from bridge_distill.errors import UserError
from bridge_distill.teacher.database import Database

P = ParamSpec("P")
T = TypeVar("T")
MOST_IN_A_COMMIT = 256


class _Paper(Generic[T]):
    """A piece of work and the future of its result."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.work, self.future = work, Future[T]()

    def tell(self, outcome: T | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Desk:
    """Runs calls to ledger and store off the event loop, in the order in which they came.

    A durable commit costs the disk's latency however much it holds, so the calls that wait are
    committed together; each is done or undone by itself. Nobody hears of a result before it is
    durable. Closing finishes what was handed in.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._papers: queue.SimpleQueue[_Paper[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="store", daemon=True)
        self._thread.start()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Return when everything handed in is done, what that handed in included."""
        self._papers.put(None)
        self._thread.join()

    def hand_in(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> Future[T]:
        """Do ``work`` whatever becomes of the caller; the future's result is durable."""
        paper = _Paper(partial(work, *args, **options))
        self._papers.put(paper)
        return paper.future

    async def do(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Do ``work`` and wait for its result; it is done even where the caller is cancelled meanwhile."""
        return await asyncio.shield(asyncio.wrap_future(self.hand_in(work, *args, **options)))

    async def do_unless_cancelled(self, work: Callable[[], T], undo: Callable[[T], Any]) -> T:
        """Do ``work`` and wait for its result; where the caller is cancelled meanwhile, ``undo`` is done with it."""
        future = self.hand_in(work)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: self._take_back(done, undo))
            raise

    def _take_back(self, done: Future[T], undo: Callable[[T], Any]) -> None:
        if done.exception() is None:
            self.hand_in(undo, done.result())

    def _serve(self) -> None:
        open_ = True
        while open_ or not self._papers.empty():
            papers = [self._papers.get()]
            with contextlib.suppress(queue.Empty):
                while len(papers) < MOST_IN_A_COMMIT:
                    papers.append(self._papers.get_nowait())
            open_ = open_ and None not in papers
            self._commit([paper for paper in papers if paper is not None])

    def _commit(self, papers: list[_Paper[Any]]) -> None:
        outcomes: list[Any] = []
        try:
            with self._database.transaction():
                for paper in papers:
                    outcomes.append(self._outcome(paper))
        except Exception as error:
            # A full disk makes SQLite undo everything by itself, and what then fails does not say why.
            first = next((outcome for outcome in outcomes if isinstance(outcome, UserError)), error)
            outcomes = [first] * len(papers)
        for paper, outcome in zip(papers, outcomes, strict=True):
            paper.tell(outcome)

    def _outcome(self, paper: _Paper[Any]) -> Any:
        try:
            with self._database.savepoint():
                return paper.work()
        except Exception as error:
            return error
