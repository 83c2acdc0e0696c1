"""Make a model smaller: fewer layers, tokens, units and heads of a base, or a fresh one of a size."""

from bridge_distill.models.shrink.cut import cut
from bridge_distill.models.shrink.weigh import weigh

__all__ = ["cut", "weigh"]
