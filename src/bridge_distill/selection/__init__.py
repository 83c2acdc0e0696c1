"""Choose the questions worth paying for, before any reply exists: score the pool, then select."""

from bridge_distill.selection.choose import check, check_order, choose, identity
from bridge_distill.selection.contract import selectors
from bridge_distill.selection.measure import embedder_digest
from bridge_distill.selection.rounds import Round, bought, held_out, share
from bridge_distill.selection.score import check_score, draws, score, written_tokens

__all__ = [
    "Round",
    "bought",
    "check",
    "check_order",
    "check_score",
    "choose",
    "draws",
    "embedder_digest",
    "held_out",
    "identity",
    "score",
    "selectors",
    "share",
    "written_tokens",
]
