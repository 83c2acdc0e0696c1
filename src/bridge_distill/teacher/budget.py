"""What a request uses and what may be used: usage, spending, and caps in numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Literal

from bridge_distill.config import Budget, CapSettings
from bridge_distill.errors import UserError

MICROS = 1_000_000
ALL = Fraction(1)
Level = Literal["run", "study", "store"]
LEVELS: tuple[Level, ...] = ("run", "study", "store")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What was charged: requests sent, tokens, and exact money in millionths of a dollar."""

    queries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_micros: int = 0

    def row(self) -> dict[str, int]:
        """The columns of a table (``asdict`` copies deeply, and this runs for every attempt)."""
        return {
            "queries": self.queries,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd_micros": self.usd_micros,
        }

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.queries + other.queries,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.usd_micros + other.usd_micros,
        )

    def __sub__(self, other: Spend) -> Spend:
        return self + Spend(-other.queries, -other.input_tokens, -other.output_tokens, -other.usd_micros)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be charged, in the units of ``Spend``; None is no cap."""

    queries: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd_micros: int | None = None

    def exceeded(self, spend: Spend) -> str | None:
        """The name of the first cap that ``spend`` is above (``usd`` for money), or None."""
        if self.queries is not None and spend.queries > self.queries:
            return "queries"
        if self.input_tokens is not None and spend.input_tokens > self.input_tokens:
            return "input_tokens"
        if self.output_tokens is not None and spend.output_tokens > self.output_tokens:
            return "output_tokens"
        return "usd" if self.usd_micros is not None and spend.usd_micros > self.usd_micros else None

    def part(self, share: Fraction) -> Caps:
        """A share of every cap, rounded down."""
        return Caps(**{name: None if cap is None else int(cap * share) for name, cap in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps that a run keeps at once: its own, its study's, and those of all runs that share the store."""

    run: Caps = Caps()
    study: Caps = Caps()
    store: Caps = Caps()

    def at(self, level: Level) -> Caps:
        """The caps of one level."""
        caps: Caps = getattr(self, level)
        return caps


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom an attempt is charged to: a run, and the study that it belongs to (``""`` for none)."""

    run: str
    study: str = ""

    def row(self) -> dict[str, str]:
        """The columns of a table."""
        return {"run": self.run, "study": self.study}


def payer_of(run: str, budget: Budget) -> Payer:
    """Whom a run's attempts are charged to."""
    return Payer(run, "" if budget.study is None else budget.study.name)


def shared_scope(owner: str, part: str) -> str:
    """Whom the ledger charges for a part of what ``owner``, such as a study, buys; each part has caps of its own."""
    return f"{owner}:{part[:12]}"


def owner_of(run: str) -> str:
    """Whose money a charged run spends: its own, or that of the owner of a ``shared_scope``."""
    return run.partition(":")[0]


class BudgetExhausted(Exception):  # noqa: N818
    """The next request's worst case no longer fits under ``cap`` (such as ``study.usd``): a normal end."""

    def __init__(self, level: Level, cap: str) -> None:
        self.level = level
        self.cap = cap if level == "run" else f"{level}.{cap}"
        super().__init__(f"the worst case of one more request does not fit under budget.{self.cap}")


def resolve_limits(budget: Budget, pool: int, whole: Callable[[], Spend], share: Fraction = ALL) -> Limits:
    """The budget's caps in numbers, shares rounded down; of the run's own only a ``share``, such as a round's.

    A share of queries is one of ``pool`` questions; a share of tokens or money is one of ``whole()``,
    what asking the whole pool would nominally use. Raises ``UserError`` where a share comes to nothing.
    """
    study, store = budget.study, budget.store
    return Limits(
        _caps(budget, pool, whole, "budget").part(share),
        Caps() if study is None else _caps(study, pool, whole, "budget.study"),
        Caps() if store is None else _caps(store, pool, whole, "budget.store"),
    )


def has_shares(budget: Budget) -> bool:
    """Whether a cap on tokens or money is a share of what the whole pool would use."""
    levels = [caps for caps in (budget, budget.study, budget.store) if caps is not None]
    return any(isinstance(value, str) for caps in levels for value in (caps.input_tokens, caps.output_tokens, caps.usd))


def caps_more_than_queries(budget: Budget) -> bool:
    """Whether a cap of the run's own, on tokens or money, may end buying before the one on queries does."""
    return any(cap is not None for cap in (budget.input_tokens, budget.output_tokens, budget.usd))


def most_queries(budget: Budget, pool: int) -> int | None:
    """The run's cap on queries in numbers, or None."""
    return _queries(budget.queries, pool, "budget")


def dollars(usd_micros: int) -> str:
    """Exact dollars, e.g. ``0.001500``."""
    return f"{Decimal(usd_micros).scaleb(-6):.6f}"


def shown(spend: Spend | Caps) -> dict[str, int | str | None]:
    """Spending or caps as plain values, money as exact dollars under ``usd``."""
    values = asdict(spend)
    micros = values.pop("usd_micros")
    return {**values, "usd": None if micros is None else dollars(micros)}


def _caps(caps: CapSettings, pool: int, whole: Callable[[], Spend], place: str) -> Caps:
    def of(name: str, unit: int = 1) -> int | None:
        value = getattr(caps, name)
        if value is None:
            return None
        exact = Decimal(value) * unit if not isinstance(value, str) else _share(value, name, whole())
        found = int(exact.to_integral_value(ROUND_FLOOR))
        if found < 1:
            raise UserError(f"{place}.{name}", f"{value} comes to less than one unit", "raise it")
        return found

    return Caps(_queries(caps.queries, pool, place), of("input_tokens"), of("output_tokens"), of("usd", MICROS))


def _share(value: str, name: str, whole: Spend) -> Decimal:
    return Decimal(value.removesuffix("%")) / 100 * int(getattr(whole, "usd_micros" if name == "usd" else name))


def _queries(queries: int | str | None, pool: int, place: str) -> int | None:
    if not isinstance(queries, str):
        return queries
    if pool < 1:
        raise UserError("data.train", "holds no question", "name a file with at least one")
    share = Decimal(queries.removesuffix("%"))
    count = int((share * pool / 100).to_integral_value(ROUND_FLOOR))
    if count < 1:
        least = (Decimal(100) / pool).quantize(Decimal(1).scaleb(-len(str(pool))), ROUND_CEILING)
        cure = f"use at least {least.normalize():f}%, or a count such as 1"
        raise UserError(f"{place}.queries", f"{queries} of {pool} questions is less than one question", cure)
    return count
