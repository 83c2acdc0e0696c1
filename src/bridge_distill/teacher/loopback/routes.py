"""The addresses of the server, and what each call does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bridge_distill.teacher.loopback.anthropic import AnthropicApi, batch_items
from bridge_distill.teacher.loopback.api import Api, Asked, Body, Problem
from bridge_distill.teacher.loopback.batches import Batch, Item
from bridge_distill.teacher.loopback.faults import Fault, Place
from bridge_distill.teacher.loopback.files import file_object, new_batch, read_upload
from bridge_distill.teacher.loopback.office import Office
from bridge_distill.teacher.loopback.openai import OpenAIApi
from bridge_distill.teacher.loopback.wire import Reply, as_json

OPENAI, ANTHROPIC = OpenAIApi(), AnthropicApi()


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came: the id in its path (empty where there is none), its query, headers and body."""

    api: Api
    id: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    root_url: str
    fault: Fault | None = None

    def json(self) -> Any:
        """The body; raises ``Problem`` where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Problem(400, "the body is not JSON") from None


def ask(office: Office, call: Call) -> Reply:
    """Answer a question."""
    worked = office.work(call.api, call.api.read(call.json(), call.headers))
    return as_json(worked.body, fault=worked.fault)


def kept(office: Office, call: Call) -> Reply:
    """Stored completions, by metadata and model, oldest first unless ``order`` says otherwise."""
    wanted = {key[len("metadata[") : -1]: value for key, value in call.query.items() if key.startswith("metadata[")}
    found = [
        {**entry.body, "metadata": entry.metadata}
        for entry in list(office.kept.values())
        if wanted.items() <= entry.metadata.items()
        and call.query.get("model", entry.body["model"]) == entry.body["model"]
    ]
    return as_json(_page(call, found[::-1] if call.query.get("order") == "desc" else found, "after"))


def models(office: Office, call: Call) -> Reply:
    """The models, which are one."""
    return as_json(call.api.models(office.model))


def books(office: Office, call: Call) -> Reply:
    """What was billed, in order."""
    return as_json([asdict(line) for line in list(office.books)])


def count(office: Office, call: Call) -> Reply:
    """The input tokens that a message would be billed."""
    body = call.json()
    asked = call.api.read({"max_tokens": 1, **body} if isinstance(body, dict) else body, call.headers)
    return as_json({"input_tokens": office.count(asked.request)})


def upload(office: Office, call: Call) -> Reply:
    """Store a file."""
    name = office.name("file-")
    office.files[name] = read_upload(call.headers.get("content-type", ""), call.body)
    return as_json(file_object(name, office.files[name]))


def content(office: Office, call: Call) -> Reply:
    """A file as it is."""
    if call.id not in office.files:
        raise Problem(404, f"No such File object: {call.id}", "not_found")
    return Reply(office.files[call.id].content, kind="application/octet-stream")


def submit_file(office: Office, call: Call) -> Reply:
    """Make a batch of an uploaded file."""
    return _submitted(office, call, lambda fault: new_batch(office, call.api, call.json(), call.headers, fault))


def submit_messages(office: Office, call: Call) -> Reply:
    """Make a batch of messages; each item's own flaws are its own errors."""
    given = batch_items(call.json())
    if call.fault is not None and call.fault.kind == "batch_failed":
        raise Problem(400, call.fault.message)
    items: list[Item] = [(custom_id, _read(call, params)) for custom_id, params in given]
    return _submitted(office, call, lambda fault: Batch(office, call.api, items, fault=fault))


def _submitted(office: Office, call: Call, make: Callable[[Fault | None], Batch]) -> Reply:
    times = 2 if call.fault is not None and call.fault.kind == "duplicate" else 1
    made = [make(call.fault) for _ in range(times)]
    office.batches.update({batch.id: batch for batch in made})
    return as_json(call.api.batch(made[0], call.root_url))


def _read(call: Call, params: Any) -> Asked | Problem:
    try:
        return call.api.read(params, call.headers)
    except Problem as problem:
        return problem


def poll(office: Office, call: Call) -> Reply:
    """How a batch stands, after moving it on."""
    batch = _batch(office, call)
    batch.look()
    return as_json(call.api.batch(batch, call.root_url))


def cancel(office: Office, call: Call) -> Reply:
    """Begin to cancel a batch."""
    batch = _batch(office, call)
    batch.cancel()
    return as_json(call.api.batch(batch, call.root_url))


def list_batches(office: Office, call: Call) -> Reply:
    """Batches, newest first."""
    found = [call.api.batch(b, call.root_url) for b in reversed(list(office.batches.values())) if b.api is call.api]
    return as_json(_page(call, found, "after" if call.api is OPENAI else "after_id"))


def results(office: Office, call: Call) -> Reply:
    """What became of every item of an ended batch, one JSON line each."""
    batch = _batch(office, call)
    if batch.ended is None:
        raise Problem(404, f"{batch.id} has no results yet", "not_found_error")
    files = [office.files[name].content for name in (batch.output_file, batch.error_file) if name is not None]
    return Reply(b"".join(files), kind="application/x-jsonl")


def _batch(office: Office, call: Call) -> Batch:
    batch = office.batches.get(call.id)
    if batch is None or batch.api is not call.api:
        raise Problem(404, f"No batch found with id '{call.id}'.", "not_found")
    return batch


def _page(call: Call, found: Sequence[Body], cursor: str) -> Body:
    limit = call.query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
        raise Problem(400, "limit must be between 1 and 1000")
    ids, after = [entry["id"] for entry in found], call.query.get(cursor)
    if after is not None and after not in ids:
        raise Problem(400, f"{cursor}: no such id: {after}")
    start = 0 if after is None else ids.index(after) + 1
    page = found[start : start + int(limit)]
    edges = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, **edges, "has_more": start + len(page) < len(found)}


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path; ``place`` is what faults call it, None where there are none."""

    method: str
    path: re.Pattern[str]
    api: Api | None
    place: Place | None
    run: Callable[[Office, Call], Reply]


def _route(method: str, path: str, api: Api | None, place: Place | None, run: Callable[[Office, Call], Reply]) -> Route:
    return Route(method, re.compile(path.replace("{id}", "([A-Za-z0-9_-]+)")), api, place, run)


ROUTES = [
    _route("POST", "/v1/chat/completions", OPENAI, "ask", ask),
    _route("GET", "/v1/chat/completions", OPENAI, "kept", kept),
    _route("POST", "/v1/files", OPENAI, "upload", upload),
    _route("GET", "/v1/files/{id}/content", OPENAI, "results", content),
    _route("POST", "/v1/batches", OPENAI, "batch", submit_file),
    _route("GET", "/v1/batches", OPENAI, "list", list_batches),
    _route("GET", "/v1/batches/{id}", OPENAI, "poll", poll),
    _route("POST", "/v1/batches/{id}/cancel", OPENAI, "cancel", cancel),
    _route("POST", "/v1/messages", ANTHROPIC, "ask", ask),
    _route("POST", "/v1/messages/count_tokens", ANTHROPIC, "count", count),
    _route("POST", "/v1/messages/batches", ANTHROPIC, "batch", submit_messages),
    _route("GET", "/v1/messages/batches", ANTHROPIC, "list", list_batches),
    _route("GET", "/v1/messages/batches/{id}", ANTHROPIC, "poll", poll),
    _route("GET", "/v1/messages/batches/{id}/results", ANTHROPIC, "results", results),
    _route("POST", "/v1/messages/batches/{id}/cancel", ANTHROPIC, "cancel", cancel),
    _route("GET", "/v1/models", None, "models", models),
    _route("GET", "/books", None, None, books),
]


def find(method: str, path: str) -> tuple[Route, str] | None:
    """The route of a call, and the id in its path."""
    for route in ROUTES:
        match = route.path.fullmatch(path.rstrip("/"))
        if match is not None and route.method == method:
            return route, "".join(match.groups())
    return None
