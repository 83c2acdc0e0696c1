"""How many, or how much: an amount, or a share of a whole."""

from __future__ import annotations

from decimal import Decimal

from bridge_distill.errors import UserError


def amount_or_share(value: object) -> Decimal | str:
    """An amount above 0, exact, or the text of a share such as ``5%``; raises ``ValueError`` for anything else."""
    text = str(value).strip()
    try:
        amount = Decimal(text.removesuffix("%"))
    except ArithmeticError:
        raise ValueError("must be an amount such as 40 or a share such as 5%") from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError("must be above 0")
    if not text.endswith("%"):
        return amount
    if amount > 100:
        raise ValueError("must be at most 100%")
    return text


def count_of(budget: str, pool: int) -> int:
    """The count that a budget asks for of a pool of so many rows, a share rounded down; raises ``UserError``."""
    try:
        found = amount_or_share(budget)
        if isinstance(found, str):
            return max(1, int(pool * Decimal(found.removesuffix("%")) / 100))
        if found != int(found):
            raise ValueError
    except ValueError:
        cure = "give a whole count above 0, or a share such as 5%"
        raise UserError(f"--budget {budget}", "is no budget", cure) from None
    return int(found)
