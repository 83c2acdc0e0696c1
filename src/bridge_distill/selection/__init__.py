"""Choose the questions worth paying for, before any reply exists: score the pool, then select."""

from bridge_distill.selection.choose import choose
from bridge_distill.selection.contract import selectors
from bridge_distill.selection.measure import embedder_digest
from bridge_distill.selection.score import check_score, score, written_tokens

__all__ = ["check_score", "choose", "embedder_digest", "score", "selectors", "written_tokens"]
