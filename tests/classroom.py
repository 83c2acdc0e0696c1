"""A teach stage in a folder, a teacher behind a socket, and two sets of books to compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.config import Budget, Price, Teacher
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Choice, Question
from bridge_distill.teacher import teach
from bridge_distill.teacher.budget import Payer, Spend, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.loopback import Billed, Fault, FaultFn, Server
from bridge_distill.teacher.prices import Tariff
from bridge_distill.teacher.providers import Answer, Request
from bridge_distill.teacher.scripted import count_tokens

CANARY = "sk-canary-5f1e0d"
KEY_ENV = "BRIDGE_TEST_KEY"
PRICE = Price(input=Decimal("0.15"), output=Decimal("0.60"))
RATIONALE = "First look at the subject. Then decide."


def questions(count: int) -> list[Question]:
    return [Question(f"q{n}", f"Is {n} even?", "yes_no", answer="no" if n % 2 else "yes") for n in range(count)]


def recorded(count: int) -> list[Question]:
    return [
        Question(q.id, q.text, q.form, answer=q.answer, recorded_rationale=f"{RATIONALE} ({q.id})")
        for q in questions(count)
    ]


def answer(request: Request) -> Answer:
    number = int(request.messages[-1]["content"].split()[1])
    text = f"{RATIONALE}\nAnswer: {'no' if number % 2 else 'yes'}"
    return Answer(text, "stop", sum(count_tokens(m["content"]) for m in request.messages), count_tokens(text))


class Place:
    """The folders of one run; the last question ranks first."""

    def __init__(self, root: Path, pool: Sequence[Question]) -> None:
        self.root, self.pool = root, list(pool)
        self.store = root / "store.sqlite"
        for name in ("data", "select", "teach"):
            (root / name).mkdir(parents=True, exist_ok=True)
        write_rows(root / "data" / artifacts.TRAIN, Question, self.pool)
        last = len(self.pool) - 1
        rows = [Choice(q.id, True, last - index, None, "test") for index, q in enumerate(self.pool)]
        write_rows(root / "select" / artifacts.CHOICES, Choice, rows)

    def teach(self, teacher: Teacher, budget: Budget, run: str = "run") -> dict[str, Any]:
        root = self.root
        return teach(teacher, budget, run, root / "data", root / "select", self.store, root / "teach")

    def replies(self) -> list[str]:
        return [reply.question_id for reply in artifacts.replies(self.root / "teach")]

    def total(self, run: str = "run", level: Any = "run") -> Spend:
        with Database(self.store) as database:
            return Ledger(database).total(Payer(run), level)


def http_teacher(server: Server, **changes: Any) -> Teacher:
    """A teacher at the server, whose key stands in the variable that ``conftest`` sets."""
    options = {"model": "m", "base_url": server.base_url, "key_env": KEY_ENV, "prices": {"m": PRICE}, **changes}
    return Teacher.model_validate(options)


def once(fault: Fault, *numbers: int) -> FaultFn:
    return lambda number, request: fault if number in numbers else None


def billed(lines: Sequence[Billed], share: Decimal = Decimal(1)) -> Spend:
    """What the server's books come to, its money exact and then rounded down."""
    inputs, outputs = sum(line.input_tokens for line in lines), sum(line.output_tokens for line in lines)
    return Spend(len(lines), inputs, outputs, int((PRICE.input * inputs + PRICE.output * outputs) * share))


def times_billed(lines: Sequence[Billed]) -> Counter[str]:
    return Counter(line.question for line in lines)


def covers(spend: Spend, real: Spend) -> bool:
    left = spend - real
    return min(left.queries, left.input_tokens, left.output_tokens, left.usd_micros) >= 0


def price_of(usage: Usage) -> int:
    return Tariff("m", PRICE, "test").micros(usage)
