"""How much an explanation deserves to be learnt from, by what its own writer thought of it."""

from __future__ import annotations

import math

from bridge_distill.assistant.contract import Sample

_NOBODY = 1e-3


def quality(sample: Sample) -> float:
    """Mean token log-probability plus the logarithm of agreement, in nats: at most 0, higher is better.

    The first prefers what the assistant writes fluently, the second answers that it comes to by other
    ways too (self-consistency, Wang et al. 2022, arXiv 2203.11171).
    """
    return sample.log_probability + math.log(max(sample.agreement, _NOBODY))
