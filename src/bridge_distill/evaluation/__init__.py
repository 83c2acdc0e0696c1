"""Grade models on questions, and say what rounds of buying have brought."""

from bridge_distill.evaluation.curve import curve
from bridge_distill.evaluation.grade import grade
from bridge_distill.evaluation.harness import check_harness, score_by_harness

__all__ = ["check_harness", "curve", "grade", "score_by_harness"]
