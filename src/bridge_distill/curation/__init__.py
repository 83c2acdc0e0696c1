"""Out of many traces that exist already, the few worth training on: gates, then difficulty and diversity."""

from bridge_distill.curation.curate import curate
from bridge_distill.curation.settings import Settings

__all__ = ["Settings", "curate"]
