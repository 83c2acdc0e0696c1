"""Sources in, frozen splits out; or, for a forecast, what freezing would keep, one question at a time."""

from __future__ import annotations

from bridge_distill.data.freeze import digest, freeze, read_questions
from bridge_distill.data.pool import Pool, frozen_pool, open_pool

__all__ = ["Pool", "digest", "freeze", "frozen_pool", "open_pool", "read_questions"]
