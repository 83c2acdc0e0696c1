"""How many of a pool: a count, or a share."""

from __future__ import annotations

from bridge_distill.errors import UserError


def count_of(budget: str, pool: int) -> int:
    """The count that a budget asks for of a pool of so many rows; raises ``UserError``."""
    text = budget.strip()
    try:
        amount = float(text.removesuffix("%"))
        share = text.endswith("%")
        if amount <= 0 or (share and amount > 100) or (not share and amount != int(amount)):
            raise ValueError
    except (ValueError, OverflowError):
        cure = "give a whole count above 0, or a share such as 5%"
        raise UserError(f"--budget {budget}", "is no budget", cure) from None
    return max(1, int(pool * amount / 100)) if share else int(amount)
