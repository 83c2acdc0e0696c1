"""What a guide costs before it is tried."""

from __future__ import annotations

import math

from bridge_distill.config import Guide


def relative_cost(guide: Guide | None, prompt: float, reply: float) -> float:
    """How many times the work of a plain reply a guided one is, given the tokens of both: roughly.

    It counts floor, ceiling and the samples of a vote, which share the reading of the prompt.
    """
    if guide is None:
        return 1.0
    thought = min(max(reply, guide.floor), guide.ceiling or math.inf)
    return (prompt + thought * (guide.vote.samples if guide.vote else 1)) / (prompt + reply)
