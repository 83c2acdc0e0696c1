"""Who may send next: reservations in the order of the jobs, many to a durable commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from bridge_distill.engine.progress import say
from bridge_distill.teacher.desk import Desk
from bridge_distill.teacher.ledger import Ask, Grant, Ledger, Reservation, Terms

LOOK_AGAIN = 0.2


class Admission:
    """Grants what is asked for, the lowest rank first; run ``serve`` as a task beside the askers.

    An ask whose worst case does not fit waits, and so does every later one, until something that is
    under way has landed: what is bought does not depend on how many ask at once. When nothing is
    under way, here or in another process under the same cap, the budget is exhausted.
    """

    def __init__(self, desk: Desk, ledger: Ledger, terms: Terms) -> None:
        self._desk, self._ledger, self._terms = desk, ledger, terms
        self._waiting: dict[int, tuple[Ask, asyncio.Future[Grant]]] = {}
        self._changed = asyncio.Event()
        self._under_way = 0
        self._waits_for_others = False
        self._end: Exception | None = None

    async def grant(self, rank: int, ask: Ask) -> Grant:
        """The grant for an ask, reserved durably if it says so; raises ``BudgetExhausted`` or what ``refuse`` was told.

        Where another process is asking the same, this waits until that one has its reply or is gone.
        """
        while True:
            if self._end is not None:
                raise self._end
            future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
            self._waiting[rank] = (ask, future)
            self._changed.set()
            try:
                grant = await future
            except asyncio.CancelledError:
                self._waiting.pop(rank, None)
                if future.done() and not future.cancelled() and future.exception() is None:
                    self._take_back(future.result())
                raise
            if grant.state != "elsewhere":
                return grant
            self._say_once()
            await asyncio.sleep(LOOK_AGAIN)

    def landed(self) -> None:
        """Say that something granted is settled, released or doubted, durably."""
        self._under_way -= 1
        self._changed.set()

    def refuse(self, end: Exception) -> None:
        """Answer everything that waits, and all later asks, with an exception."""
        self._end = self._end or end
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(end)
        self._waiting.clear()

    async def serve(self) -> None:
        """Answer asks until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._waiting:
                    await self._answer(sorted(self._waiting))
        except Exception as error:
            self.refuse(error)

    async def _answer(self, ranks: Sequence[int]) -> None:
        asks = [self._waiting[rank][0] for rank in ranks]
        made = await self._desk.do_unless_cancelled(partial(self._ledger.reserve, self._terms, asks), self._undo)
        self._under_way += sum(grant.state == "granted" for grant in made.grants)
        for rank, grant in zip(ranks, made.grants, strict=False):
            _, future = self._waiting.pop(rank, (None, None))
            if future is None or future.done():
                self._take_back(grant)
            else:
                future.set_result(grant)
        if made.end is None or self._under_way:
            return
        if made.others:
            asyncio.get_running_loop().call_later(LOOK_AGAIN, self._changed.set)
        else:
            self.refuse(made.end)

    def _say_once(self) -> None:
        if not self._waits_for_others:
            say("waiting for another process that asks the same questions (bridge-distill ledger show names it)")
        self._waits_for_others = True

    def _take_back(self, grant: Grant) -> None:
        if grant.state == "granted":
            self._desk.hand_in(self._ledger.release, grant.attempt, "cancelled before it was sent")
            self.landed()

    def _undo(self, made: Reservation) -> None:
        for grant in made.grants:
            if grant.state == "granted":
                self._ledger.release(grant.attempt, "cancelled before it was sent")
