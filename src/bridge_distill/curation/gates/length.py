"""Length: enough words to show steps, and no more than the student can be taught with."""

from __future__ import annotations

from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.settings import Settings


@gates.register("length")
def length(trace: Trace, settings: Settings) -> str | None:
    """Refuse a trace of fewer than ``min_words`` or more than ``max_words`` words."""
    words = len(trace.rationale.split())
    if words < settings.min_words:
        return "too short"
    return "too long" if settings.max_words is not None and words > settings.max_words else None
