"""Stores to look at: a command line that speaks to a test, attempts of every kind, and processes that hold some."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bridge_distill.cli import app
from bridge_distill.config import Price
from bridge_distill.errors import UserError
from bridge_distill.teacher.budget import Limits, Payer, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ask, Ledger, Terms
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer
from bridge_distill.teacher.store import ReplyStore, canonical, request_hash

TARIFF = Tariff("m", Price(input=Decimal("0.15"), output=Decimal("0.60")), "test")
WORST = Usage(1000, 100)


def says(*words: object, code: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def shows(*words: object) -> Any:
    """What a command prints for a machine."""
    return json.loads(says(*words, "--json"))


def fails(*words: object) -> str:
    """The one sentence that a command ends with."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def identity_of(number: int, model: str = "m") -> str:
    messages = [{"role": "user", "content": f"Is {number} even?"}]
    asked = {"provider": "openai", "model": model, "messages": messages, "decoding": {"temperature": 0.0}, "sample": 0}
    return canonical(asked)


class Shop:
    """A store in which this process buys."""

    def __init__(self, database: Database) -> None:
        self.database, self.ledger, self.replies = database, Ledger(database), ReplyStore(database)

    def reserve(self, run: str = "legal", study: str = "", identity: str = "", worst: Usage = WORST) -> int:
        terms = Terms(Payer(run, study), TARIFF, Limits())
        number = self.database.rows("SELECT count(*) FROM attempts")[0][0]
        made = self.ledger.reserve(terms, [Ask(request_hash(identity or f"{number}"), worst)])
        return made.grants[0].attempt

    def buy(self, text: str = "Answer: yes", number: int = 0, run: str = "legal", study: str = "") -> int:
        identity = identity_of(number)
        attempt = self.reserve(run, study, identity)
        self.replies.put(self.ledger, attempt, identity, Answer(text, "stop", 100, 10, "m-2026", f"id-{number}"))
        return attempt

    def doubt(self, reason: str = "no reply within 60 s", run: str = "legal", worst: Usage = WORST) -> int:
        attempt = self.reserve(run, worst=worst)
        self.ledger.doubt(attempt, reason)
        return attempt


@contextmanager
def shop(path: Path) -> Iterator[Shop]:
    with Database(path) as database:
        yield Shop(database)


HOLDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from bridge_distill.teacher.budget import Limits, Payer, Usage
    from bridge_distill.teacher.database import Database
    from bridge_distill.teacher.ledger import Ask, Ledger, Terms
    from bridge_distill.teacher.prices import Tariff
    ledger = Ledger(Database(Path(sys.argv[1])))
    terms = Terms(Payer("held"), Tariff("m", None, "test"), Limits())
    print(ledger.reserve(terms, [Ask("held", Usage(1, 1))]).grants[0].attempt, flush=True)
    sys.stdin.read()
    """
)


@contextmanager
def held_elsewhere(store: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """An attempt that another process has under way, and that process; it is killed at the end."""
    command = [sys.executable, "-c", HOLDER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


def outcome(store: Path, attempt: int) -> str:
    with Database(store, reads_only=True) as database:
        return str(database.rows("SELECT outcome FROM attempts WHERE id = ?", attempt)[0]["outcome"])
