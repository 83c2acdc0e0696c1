"""Grade a model on the frozen test questions."""

from bridge_distill.evaluation.grade import grade

__all__ = ["grade"]
