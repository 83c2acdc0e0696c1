"""What verdicts come to: an accuracy with its interval, and the paired difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bridge_distill.records import Verdict
from bridge_distill.statistics import interval, minimum_detectable, paired_difference


def scores(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts and the accuracy with Wilson's 95% interval, as shares from 0 to 1."""
    n, correct = len(verdicts), sum(verdict.correct for verdict in verdicts)
    low, high = interval(correct, n)
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "low": low,
        "high": high,
        "parse_failures": sum(not verdict.parsed for verdict in verdicts),
        "truncated": sum(verdict.truncated for verdict in verdicts),
        "tokens": sum(verdict.tokens for verdict in verdicts),
    }


def difference(one: Sequence[Verdict], other: Sequence[Verdict]) -> dict[str, Any] | None:
    """One's accuracy minus the other's, in points over the questions that both answered; None where there are none."""
    theirs = {verdict.question_id: verdict.correct for verdict in other}
    both = [(verdict.correct, theirs[verdict.question_id]) for verdict in one if verdict.question_id in theirs]
    if not both:
        return None
    table = np.array(both, dtype=np.bool_)
    found = paired_difference(table[:, 0], table[:, 1])
    detectable = minimum_detectable(found.n, found.discordant / found.n) if found.discordant else None
    return {**asdict(found), "resolved": found.resolved, "detectable": detectable}
