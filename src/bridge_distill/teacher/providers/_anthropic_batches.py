"""Anthropic's batch API: requests go up in one call, results come down as lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bridge_distill.errors import UserError
from bridge_distill.teacher.providers import Answer, Batches, BatchState, Failure, Fatal, NotBilled, Request, Unknown
from bridge_distill.teacher.providers._batches import gone, made_since, no_api, surely_none
from bridge_distill.teacher.providers._refusal import refusal_of, shortened
from bridge_distill.teacher.providers._reply import Bounds

if TYPE_CHECKING:
    from bridge_distill.teacher.providers.anthropic import Anthropic

_MOST_BYTES = 256 * 1000 * 1000
# The statuses of single messages, which a batch's results leave out.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}


class AnthropicBatches(Batches):
    """Batches of one endpoint, found again by the custom ids of their results: there is no metadata.

    The caller's custom ids are the batch's name, ``-`` and a number.
    """

    # The API takes ten times as many; the SDK holds a whole batch in memory.
    limit = 10_000

    def __init__(self, owner: Anthropic) -> None:
        self._owner = owner
        self._bounds: dict[str, Bounds] = {}

    async def submit(self, name: str, requests: Mapping[str, Request]) -> str:
        """Start the batch."""
        owner = self._owner
        items = [{"custom_id": custom, "params": owner.body(request)} for custom, request in requests.items()]
        if sum(len(json.dumps(item)) for item in items) > _MOST_BYTES:
            problem = f"{len(items)} requests come to more than the 256 MB that a batch may hold"
            raise Fatal(UserError("teacher.batch", problem, "set teacher.batch: false, or lower the budget"))
        self._bounds.update((custom, owner.bounds(request)) for custom, request in requests.items())
        return await owner.call(lambda: self._create(items), no_api(self._owner.host))

    async def find(self, name: str, since: datetime) -> str | None:
        """Look into the results of every batch made since; raises ``Unknown`` while one of them has none yet."""
        return await self._owner.ask_about(lambda: self._find(name, since), no_api(self._owner.host))

    async def state(self, batch: str) -> BatchState:
        """How the batch stands."""
        return await self._owner.ask_about(lambda: self._state(batch), gone(self._owner.host, batch))

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Answer | Failure]]:
        """Every result, in any order; a line that cannot be read is left out."""
        async for line in self._owner.lines(lambda: self._opening(batch), gone(self._owner.host, batch)):
            custom, result = line.get("custom_id"), line.get("result")
            if isinstance(custom, str) and isinstance(result, dict):
                yield custom, self._outcome(custom, result)

    async def _create(self, items: list[dict[str, Any]]) -> str:
        made = await self._owner.client.messages.batches.create(requests=items)
        if not isinstance(made.id, str) or not made.id:
            raise Unknown("the provider names no id for the batch")
        return made.id

    async def _find(self, name: str, since: datetime) -> str | None:
        listed = aiter(self._owner.client.messages.batches.list(limit=100))
        working = False
        async for batch in made_since(listed, lambda found: found.created_at, since):
            if batch.processing_status != "ended":
                working = True
            elif await self._name_of(batch.id) == name:
                return str(batch.id)
        if working:
            raise Unknown("a batch that may be this one is still processing", wait=self._owner.poll_seconds)
        surely_none(since, self._owner.poll_seconds)
        return None

    async def _name_of(self, batch: str) -> str | None:
        results = self.results(batch)
        async for custom, _ in results:
            await results.aclose()  # type: ignore[attr-defined]  # the method is an async generator
            return custom.rpartition("-")[0]
        return None

    async def _state(self, batch: str) -> BatchState:
        found = await self._owner.client.messages.batches.retrieve(batch)
        counts, status = found.request_counts, str(found.processing_status)
        done = counts.succeeded + counts.errored + counts.canceled + counts.expired
        return BatchState(status == "ended", f"{status}, {done} of {done + counts.processing}")

    @asynccontextmanager
    async def _opening(self, batch: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The results under our own address: ``results_url`` may name another, to which the key must not go."""
        import httpx2

        path = f"/v1/messages/batches/{quote(batch, safe='')}/results"
        options = {"headers": {"X-Stainless-Raw-Response": "stream"}}
        response = await self._owner.client.get(path, cast_to=httpx2.Response, options=options)
        try:
            yield response.aiter_bytes()
        finally:
            await response.aclose()

    def _outcome(self, custom: str, result: dict[str, Any]) -> Answer | Failure:
        kind, message = result.get("type"), result.get("message")
        if kind == "succeeded" and isinstance(message, dict):
            try:
                return self._owner.read(message, self._bounds.get(custom))
            except Unknown as unread:
                return unread
        if kind == "errored":
            refusal = refusal_of(400, result.get("error"))
            failure = self._owner.refused(refusal_of(_STATUS.get(refusal.code, 500), result.get("error")))
            # An item that failed is not billed, whatever the fault was.
            return NotBilled(failure.reason, retry=True) if isinstance(failure, Unknown) else failure
        if kind in ("expired", "canceled"):
            return NotBilled(f"the batch {kind}", retry=True)
        return Unknown(shortened(f"no reply in the batch ({self._owner.hide(str(kind))})"))
