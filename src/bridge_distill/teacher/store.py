"""Permanent replies, by content: what was paid for once is never asked for again, by any run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge_distill.teacher.budget import Usage
from bridge_distill.teacher.database import Database, as_text
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.providers import Answer, Provider, Request

_BATCH = 500
# A reply that was paid for is kept, whatever its text holds.
INSERT_REPLY = """INSERT INTO replies VALUES (?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?,
    CAST(? AS TEXT), CAST(? AS TEXT)) ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it was paid for; ``run`` is the run that paid, ``served_model`` who the provider says answered."""

    run: str
    text: str
    finish: str
    input_tokens: int
    output_tokens: int
    usd_micros: int
    served_model: str
    reply_id: str


def identity(provider: Provider, request: Request) -> str:
    """Canonical JSON of everything that decides a reply: provider, model, messages, decoding, sample, template."""
    return canonical(
        {
            "provider": provider.family,
            "model": provider.model,
            "messages": request.messages,
            "decoding": provider.decoding(request),
            "sample": request.sample,
            **({"template": request.template} if request.template is not None else {}),
        }
    )


def request_hash(identity: str) -> str:
    """SHA-256, in hexadecimal, of an ``identity``."""
    return hashlib.sha256(identity.encode("ascii")).hexdigest()


class ReplyStore:
    """Replies in the file that the ledger writes, so that a reply and its charge are one transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, hashes: Iterable[str]) -> dict[str, StoredReply]:
        """The stored replies among these request hashes."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, StoredReply] = {}
        for start in range(0, len(wanted), _BATCH):
            found.update(self._get(wanted[start : start + _BATCH]))
        return found

    def put(self, ledger: Ledger, attempt: int, identity: str, answer: Answer) -> None:
        """Keep a paid reply and settle its attempt, both or neither. The first reply of a request stays."""
        usage = Usage(answer.input_tokens, answer.output_tokens)
        with self.database.transaction() as link:
            usd_micros = ledger.settle(attempt, usage)
            link.execute(
                INSERT_REPLY,
                (
                    request_hash(identity),
                    datetime.now(UTC).isoformat(timespec="milliseconds"),
                    attempt,
                    identity,
                    as_text(answer.text),
                    as_text(answer.finish),
                    usage.input_tokens,
                    usage.output_tokens,
                    usd_micros,
                    as_text(answer.model),
                    as_text(answer.id),
                ),
            )

    def remember_plan(self, run: str, hashes: Iterable[str], plan: dict[str, Any]) -> dict[str, Any]:
        """The plan that these requests of a run were first begun with: this one, if none is there."""
        digest = hashlib.sha256("\n".join(hashes).encode("ascii")).hexdigest()
        with self.database.transaction() as link:
            row = (run, digest, datetime.now(UTC).isoformat(timespec="milliseconds"), json.dumps(plan))
            link.execute("INSERT INTO plans VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            query = "SELECT plan FROM plans WHERE run = ? AND digest = ?"
            found: dict[str, Any] = json.loads(link.execute(query, (run, digest)).fetchone()["plan"])
            return found

    def _get(self, hashes: list[str]) -> dict[str, StoredReply]:
        marks = ", ".join("?" * len(hashes))
        query = f"""SELECT r.request_hash, a.run, r.text, r.finish, r.input_tokens, r.output_tokens, r.usd_micros,
            r.served_model, r.reply_id FROM replies r JOIN attempts a ON a.id = r.attempt
            WHERE r.request_hash IN ({marks})"""  # noqa: S608
        return {row[0]: StoredReply(*row[1:]) for row in self.database.rows(query, *hashes)}


def canonical(value: dict[str, Any]) -> str:
    """JSON that is the same for the same value."""
    # Escaped to ASCII, so that any text, half a surrogate pair included, has a canonical form.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
