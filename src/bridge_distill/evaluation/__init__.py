"""Grade models on questions, and say what rounds of buying have brought."""

from bridge_distill.evaluation.curve import curve
from bridge_distill.evaluation.grade import grade

__all__ = ["curve", "grade"]
