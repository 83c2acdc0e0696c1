"""What a request uses and what may be used: usage, and caps in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bridge_distill.config import Budget
from bridge_distill.errors import UserError

MICROS = 1_000_000


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

    def __add__(self, other: Spend) -> Spend:
        mine, more = asdict(self), asdict(other)
        return Spend(**{name: mine[name] + more[name] for name in mine})

    def __sub__(self, other: Spend) -> Spend:
        mine, less = asdict(self), asdict(other)
        return Spend(**{name: mine[name] - less[name] for name in mine})


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be charged, in the units of ``Spend``; None is no cap."""

    queries: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd_micros: int | None = None

    def exceeded(self, spend: Spend) -> str | None:
        """The name of the first cap that ``spend`` is above, or None."""
        for field in fields(self):
            cap: int | None = getattr(self, field.name)
            if cap is not None and getattr(spend, field.name) > cap:
                return field.name
        return None


class BudgetExhausted(Exception):  # noqa: N818
    """The next request's worst case no longer fits under ``cap``: a normal end, not a user's error."""

    def __init__(self, cap: str) -> None:
        self.cap = cap
        super().__init__(f"the worst case of one more request does not fit under the cap on {cap}")


def resolve_caps(budget: Budget, pool: int) -> Caps:
    """The budget's caps in numbers; a share of ``pool`` questions is rounded down.

    Raises ``UserError`` where a share comes to no question, or the money to less than a millionth.
    """
    usd = None if budget.usd is None else int((budget.usd * MICROS).to_integral_value(ROUND_FLOOR))
    if usd == 0:
        raise UserError("budget.usd", f"{budget.usd} is less than a millionth of a dollar", "raise it")
    return Caps(_queries(budget.queries, pool), budget.input_tokens, budget.output_tokens, usd)


def dollars(usd_micros: int) -> str:
    """Exact dollars, e.g. ``0.001500``."""
    return f"{Decimal(usd_micros).scaleb(-6):.6f}"


def _queries(queries: int | str | None, pool: int) -> int | None:
    if not isinstance(queries, str):
        return queries
    if pool < 1:
        raise UserError("data.train", "holds no question", "name a file with at least one")
    share = Decimal(queries.removesuffix("%"))
    count = int((share * pool / 100).to_integral_value(ROUND_FLOOR))
    if count < 1:
        least = (Decimal(100) / pool).quantize(Decimal(1).scaleb(-len(str(pool))), ROUND_CEILING)
        cure = f"use at least {least.normalize():f}%, or a count such as 1"
        raise UserError("budget.queries", f"{queries} of {pool} questions is less than one question", cure)
    return count
