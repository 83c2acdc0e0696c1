"""Choose the questions worth paying for, before any reply exists: score the pool, then select."""

from bridge_distill.selection.choose import choose
from bridge_distill.selection.contract import selectors
from bridge_distill.selection.score import score

__all__ = ["choose", "score", "selectors"]
