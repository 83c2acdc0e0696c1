"""A provider that bills truthfully, clients that crash, and the ledger between them, for random interleavings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from random import Random

from bridge_distill.config import Price
from bridge_distill.teacher.budget import LEVELS, Caps, Level, Limits, Payer, Spend, Usage
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.ledger import Ask, Ledger, Terms
from bridge_distill.teacher.prices import Tariff

TARIFF = Tariff("m", Price(input=Decimal("0.15"), output=Decimal("0.6")), "test")


@dataclass
class Flight:
    """An attempt that was granted and not yet written down."""

    attempt: int
    worst: Usage
    billed: bool | None = None  # None: not sent yet
    actual: Usage = field(default_factory=lambda: Usage(0, 0))


class Bookkeeping:
    """One client after another on one store file, beside what the provider really charged, exactly."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path)
        self.ledger = Ledger(self.database)
        self.steps: Counter[str] = Counter()
        self._spend: dict[tuple[Level, str], tuple[int, int, int, Decimal]] = {}

    def begin(self, run: str, study: str, limits: Limits) -> None:
        """Start an interleaving for a payer; wider caps hold beside what is charged to their level already."""
        self.payer = Payer(run, study)
        wider = {level: self._beside(getattr(limits, level), level) for level in ("study", "store")}
        self.limits = Limits(limits.run, wider["study"] if study else Caps(), wider["store"])
        self.terms = Terms(self.payer, TARIFF, self.limits)
        self.flights: list[Flight] = []

    def act(self, draw: Random) -> None:
        """One random step."""
        step = draw.choice(STEPS)
        self.steps[step] += 1
        getattr(self, step)(draw)

    def reserve(self, draw: Random) -> None:
        asks = [
            Ask(f"{draw.getrandbits(60):x}", Usage(draw.randrange(300), draw.randrange(200)))
            for _ in range(draw.choice((1, 1, 2, 5)))
        ]
        made = self.ledger.reserve(self.terms, asks)
        for ask, grant in zip(asks, made.grants, strict=False):
            assert grant.state == "granted"
            self.flights.append(Flight(grant.attempt, ask.worst))
        if made.end is not None:
            worst = asks[len(made.grants)].worst
            more = Spend(1, worst.input_tokens, worst.output_tokens, TARIFF.micros(worst))
            total = self.ledger.total(self.payer, made.end.level)
            assert self.limits.at(made.end.level).exceeded(total + more) is not None

    def send(self, draw: Random) -> None:
        """The request leaves; the provider works on it, or refuses it."""
        flight = self._one(draw, sent=False)
        if flight is None:
            return
        flight.billed = draw.random() < 0.8
        if flight.billed:
            share = draw.choice((0.0, 0.3, 1.0, draw.random()))
            flight.actual = Usage(int(flight.worst.input_tokens * share), int(flight.worst.output_tokens * share))
            self._bill(flight.actual)

    def answer(self, draw: Random) -> None:
        """The client hears what became of a request, and writes it down."""
        flight = self._one(draw, sent=True)
        if flight is None:
            return
        self.flights.remove(flight)
        if not flight.billed:
            self.ledger.release(flight.attempt, "refused", sent=True)
        elif draw.random() < 0.7:
            self.ledger.settle(flight.attempt, flight.actual)
        else:
            self.ledger.doubt(flight.attempt, "lost")

    def cancel(self, draw: Random) -> None:
        """The client is cancelled: what was not sent is taken back, what was is in doubt."""
        flight = self.flights.pop(draw.randrange(len(self.flights))) if self.flights else None
        if flight is not None and flight.billed is None:
            self.ledger.release(flight.attempt, "cancelled")
        elif flight is not None:
            self.ledger.doubt(flight.attempt, "cancelled")

    def crash(self, draw: Random) -> None:
        """Everything in memory is lost; what was sent may still be billed."""
        if draw.random() < 0.9:  # opening a file is slow, so most crashes are rarer
            return
        for flight in self.flights:
            if flight.billed is None and draw.random() < 0.5:
                self._bill(flight.worst)
        self.flights = []
        self.database.close()
        self.database = Database(self.path)
        self.ledger = Ledger(self.database)

    def reconcile(self, draw: Random) -> None:
        """The user closes an attempt in doubt at its worst case."""
        rows = self.database.rows(
            "SELECT id FROM attempts WHERE run = ? AND outcome = 'unknown' LIMIT 1", self.payer.run
        )
        for row in rows:
            self.ledger.accept(row["id"])

    def check_run(self) -> None:
        """The run's total is under its caps and covers what was billed."""
        total, billed = self.ledger.total(self.payer), self._billed("run")
        assert all(have >= real for have, real in zip(_values(total), _values(billed), strict=True))
        assert self.limits.run.exceeded(total) is None

    def check(self) -> None:
        """Billed is never above a cap, the ledger never below billed, and its totals are the sum of its rows."""
        for level in LEVELS:
            if level == "study" and not self.payer.study:
                continue
            total, billed = self.ledger.total(self.payer, level), self._billed(level)
            assert all(have >= real for have, real in zip(_values(total), _values(billed), strict=True))
            assert self.limits.at(level).exceeded(billed) is None
            assert self.limits.at(level).exceeded(total) is None
        query = "SELECT total(queries), total(input_tokens), total(output_tokens), total(usd_micros) FROM attempts"
        rows = self.database.rows(f"{query} WHERE run = ?", self.payer.run)
        assert _values(self.ledger.total(self.payer)) == tuple(int(value) for value in rows[0])

    def _beside(self, caps: Caps, level: Level) -> Caps:
        used = _values(self.ledger.total(self.payer, level))
        return Caps(*(None if cap is None else cap + old for cap, old in zip(_values(caps), used, strict=True)))

    def _one(self, draw: Random, sent: bool) -> Flight | None:
        found = [flight for flight in self.flights if (flight.billed is not None) == sent]
        return draw.choice(found) if found else None

    def _bill(self, usage: Usage) -> None:
        price = TARIFF.price
        assert price is not None
        exact = price.input * usage.input_tokens + price.output * usage.output_tokens
        for level in LEVELS:
            key = self._key(level)
            old = self._spend.get(key, (0, 0, 0, Decimal(0)))
            self._spend[key] = (old[0] + 1, old[1] + usage.input_tokens, old[2] + usage.output_tokens, old[3] + exact)

    def _billed(self, level: Level) -> Spend:
        queries, inputs, outputs, exact = self._spend.get(self._key(level), (0, 0, 0, Decimal(0)))
        return Spend(queries, inputs, outputs, int(exact.to_integral_value(ROUND_CEILING)))

    def _key(self, level: Level) -> tuple[Level, str]:
        return level, {"run": self.payer.run, "study": self.payer.study, "store": ""}[level]


STEPS = ("reserve", "reserve", "send", "send", "answer", "answer", "cancel", "crash", "reconcile")


def _values(spend: Spend | Caps) -> tuple[int, ...]:
    return (spend.queries, spend.input_tokens, spend.output_tokens, spend.usd_micros)  # type: ignore[return-value]


def random_caps(draw: Random) -> Caps:
    """Caps of which each is there half the time."""
    return Caps(*(draw.choice((None, draw.randrange(1, most))) for most in (12, 2000, 1500, 900)))


PER_FILE = 200


def run_interleavings(folder: Path, seed: int, number: int) -> Counter[str]:
    """Run ``number`` interleavings with random caps, some of one study, on a new file every 200; count the steps."""
    draw, steps = Random(seed), Counter[str]()
    books: Bookkeeping | None = None
    for index in range(number):
        if books is None or index % PER_FILE == 0:
            books = _next(books, folder / f"{seed}-{index}.sqlite", steps)
        study = draw.choice(("", f"s{index // 3}"))
        books.begin(f"r{index}", study, Limits(random_caps(draw), random_caps(draw), random_caps(draw)))
        for _ in range(draw.randrange(4, 14)):
            books.act(draw)
            books.check_run()
        books.check()
    _next(books, None, steps)
    return steps


def _next(books: Bookkeeping | None, path: Path | None, steps: Counter[str]) -> Bookkeeping | None:
    if books is not None:
        steps.update(books.steps)
        books.database.close()
        for file in books.path.parent.glob(f"{books.path.name}*"):
            file.unlink()
    return None if path is None else Bookkeeping(path)
