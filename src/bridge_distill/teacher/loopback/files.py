"""Files as OpenAI takes them, and the batches that are made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge_distill.teacher.loopback.api import Api, Asked, Body, Problem
from bridge_distill.teacher.loopback.batches import Batch, Item
from bridge_distill.teacher.loopback.faults import Fault
from bridge_distill.teacher.loopback.office import File, Office
from bridge_distill.teacher.loopback.openai import metadata_of

ENDPOINT = "/v1/chat/completions"
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_FIELD = re.compile(r'[; ]name="([^"]*)"')
_FILENAME = re.compile(r'filename="([^"]*)"')


def read_upload(content_type: str, body: bytes) -> File:
    """Read a multipart upload of one file for a batch; raises ``Problem`` for any other."""
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/form-data") or boundary is None:
        raise Problem(400, "an upload must be multipart/form-data")
    fields: dict[str, bytes] = {}
    filename = "upload.jsonl"
    for part in body.split(b"--" + boundary.group(1).encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _FIELD.search(head.decode("utf-8", "replace"))
        if name is None:
            raise Problem(400, "a part of the upload has no name")
        fields[name.group(1)] = content.removesuffix(b"\r\n")
        if name.group(1) == "file" and (given := _FILENAME.search(head.decode("utf-8", "replace"))):
            filename = given.group(1)
    if fields.get("purpose") != b"batch" or "file" not in fields:
        raise Problem(400, "an upload needs a file and the purpose batch")
    return File(filename, "batch", fields["file"])


def file_object(name: str, file: File) -> Body:
    """A file's description."""
    return {
        "id": name,
        "object": "file",
        "bytes": len(file.content),
        "created_at": int(file.created),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def new_batch(office: Office, api: Api, body: Any, headers: Mapping[str, str], fault: Fault | None) -> Batch:
    """Make a batch of an uploaded file; a flaw of the file fails it at the first look, as a validation does."""
    if not isinstance(body, dict) or body.get("endpoint") != ENDPOINT or body.get("completion_window") != "24h":
        raise Problem(400, f"a batch needs the endpoint {ENDPOINT} and the completion_window 24h")
    name, metadata = body.get("input_file_id"), metadata_of(body)
    if not isinstance(name, str) or name not in office.files:
        raise Problem(400, f"No such File object: {name}")
    items, problems = _items(api, office.files[name].content, headers)
    return Batch(office, api, items, problems, fault, metadata, name)


def _items(api: Api, content: bytes, headers: Mapping[str, str]) -> tuple[list[Item], list[tuple[int | None, str]]]:
    items: dict[str, Asked | Problem] = {}
    problems: list[tuple[int | None, str]] = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            custom_id, asked = _item(api, line, headers)
            if custom_id in items:
                raise Problem(400, f"custom_id {custom_id!r} is not unique")
            items[custom_id] = asked
        except Problem as problem:
            problems.append((number, problem.message))
    if not items and not problems:
        problems.append((None, "the file is empty"))
    return list(items.items()), problems


def _item(api: Api, line: bytes, headers: Mapping[str, str]) -> tuple[str, Asked | Problem]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise Problem(400, "this line is not parseable as valid JSON") from None
    custom_id = found.get("custom_id") if isinstance(found, dict) else None
    if not isinstance(custom_id, str) or found.get("method") != "POST" or found.get("url") != ENDPOINT:
        raise Problem(400, f"a line needs a custom_id, the method POST, the url {ENDPOINT} and a body")
    try:
        return custom_id, api.read(found.get("body"), headers)
    except Problem as problem:
        return custom_id, problem
