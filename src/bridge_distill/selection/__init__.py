"""Choose the questions worth paying for, before any reply exists: score the pool, then select."""

from bridge_distill.selection.choose import check, choose, identity
from bridge_distill.selection.contract import selectors
from bridge_distill.selection.measure import embedder_digest
from bridge_distill.selection.score import check_score, score, written_tokens

__all__ = ["check", "check_score", "choose", "embedder_digest", "identity", "score", "selectors", "written_tokens"]
