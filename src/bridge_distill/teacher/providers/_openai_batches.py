"""OpenAI's batch API: a file of requests goes up, files of replies and errors come down."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from bridge_distill.errors import UserError
from bridge_distill.teacher.providers import Answer, Batches, BatchState, Failure, Fatal, NotBilled, Request, Unknown
from bridge_distill.teacher.providers._batches import gone, made_since, no_api, surely_none
from bridge_distill.teacher.providers._refusal import refusal_of, shortened
from bridge_distill.teacher.providers._reply import Bounds

if TYPE_CHECKING:
    from bridge_distill.teacher.providers.openai import OpenAI

_PATH = "/v1/chat/completions"
_MOST_BYTES = 200 * 1000 * 1000
_IN_MEMORY = 16 * 1024 * 1024
_ENDED = ("completed", "failed", "expired", "cancelled")
_NOT_DONE = ("batch_expired", "batch_cancelled", "request_cancelled")


class OpenAIBatches(Batches):
    """Batches of one endpoint, found again by our own name, which their metadata carries."""

    limit = 50_000

    def __init__(self, owner: OpenAI) -> None:
        self._owner = owner
        self._bounds: dict[str, Bounds] = {}

    async def submit(self, name: str, requests: Mapping[str, Request]) -> str:
        """Upload the requests and start the batch; an upload alone costs nothing."""
        owner, missing = self._owner, no_api(self._owner.host)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            self._write(file, requests)
            try:
                uploaded = await owner.call(lambda: self._upload(name, file), missing)
            except Unknown as failure:
                raise NotBilled(f"upload failed: {failure.reason}", retry=True, wait=failure.wait) from None
        self._bounds.update((custom, owner.bounds(request)) for custom, request in requests.items())
        return await owner.ask_about(lambda: self._create(name, uploaded), missing)

    async def find(self, name: str, since: datetime) -> str | None:
        """Look the name up in the metadata of what was submitted since."""
        return await self._owner.ask_about(lambda: self._find(name, since), no_api(self._owner.host))

    async def state(self, batch: str) -> BatchState:
        """How the batch stands; one that the provider refused as a whole was not billed."""
        return await self._owner.ask_about(lambda: self._state(batch), gone(self._owner.host, batch))

    async def results(self, batch: str) -> AsyncIterator[tuple[str, Answer | Failure]]:
        """Replies, then errors; a line that cannot be read is left out."""
        owner, missing = self._owner, gone(self._owner.host, batch)
        for file in await owner.ask_about(lambda: self._files(batch), missing):
            async for line in owner.lines(partial(self._opening, file), missing):
                custom = line.get("custom_id")
                if isinstance(custom, str):
                    yield custom, self._outcome(custom, line)

    def _write(self, file: IO[bytes], requests: Mapping[str, Request]) -> None:
        for custom, request in requests.items():
            body = self._owner.body(request)
            line = {"custom_id": custom, "method": "POST", "url": _PATH, "body": body}
            file.write(json.dumps(line).encode("ascii") + b"\n")
            if file.tell() > _MOST_BYTES:
                problem = f"{len(requests)} requests come to more than the 200 MB that a batch may hold"
                raise Fatal(UserError("teacher.batch", problem, "set teacher.batch: false, or lower the budget"))
        file.seek(0)

    async def _upload(self, name: str, file: IO[bytes]) -> str:
        upload = (f"{name}.jsonl", file, "application/jsonl")
        return _id_of(await self._owner.client.files.create(file=upload, purpose="batch"))

    async def _create(self, name: str, file: str) -> str:
        made = await self._owner.client.batches.create(
            input_file_id=file, endpoint=_PATH, completion_window="24h", metadata={"name": name}
        )
        return _id_of(made)

    async def _find(self, name: str, since: datetime) -> str | None:
        listed = aiter(self._owner.client.batches.list(limit=100))
        async for batch in made_since(listed, lambda found: datetime.fromtimestamp(found.created_at, UTC), since):
            if (batch.metadata or {}).get("name") == name:
                return _id_of(batch)
        surely_none(since, self._owner.poll_seconds)
        return None

    async def _state(self, batch: str) -> BatchState:
        found = await self._owner.client.batches.retrieve(batch)
        status, counts, errors = str(found.status), found.request_counts, getattr(found.errors, "data", None) or []
        words = f"{status}, {counts.completed + counts.failed} of {counts.total}" if counts else status
        if errors:
            words = f"{status}: {'; '.join(str(error.message) for error in errors[:3])}"
        return BatchState(status in _ENDED, shortened(self._owner.hide(words)), billed=status != "failed")

    async def _files(self, batch: str) -> list[str]:
        found = await self._owner.client.batches.retrieve(batch)
        return [file for file in (found.output_file_id, found.error_file_id) if file]

    @asynccontextmanager
    async def _opening(self, file: str) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._owner.client.files.with_streaming_response.content(file) as response:
            yield response.iter_bytes()

    def _outcome(self, custom: str, line: dict[str, Any]) -> Answer | Failure:
        response, error = line.get("response"), line.get("error")
        status = response.get("status_code") if isinstance(response, dict) else None
        body = response.get("body") if isinstance(response, dict) else None
        if status == 200 and isinstance(body, dict):
            try:
                return self._owner.read(body, self._bounds.get(custom))
            except Unknown as unread:
                return unread
        if isinstance(status, int) and status >= 400:
            failure = self._owner.refused(refusal_of(status, body))
            # An item that failed has no reply that could be billed.
            return NotBilled(failure.reason, retry=True) if isinstance(failure, Unknown) else failure
        code = str(error.get("code")) if isinstance(error, dict) else ""
        if code in _NOT_DONE:
            return NotBilled(code.replace("_", " "), retry=True)
        return Unknown(shortened(self._owner.hide(f"no reply in the batch ({code or 'no reason given'})")))


def _id_of(made: Any) -> str:
    if not isinstance(made.id, str) or not made.id:
        raise Unknown("the provider names no id")
    return made.id
