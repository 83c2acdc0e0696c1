"""What verdicts come to: an accuracy with its interval, and the paired difference of two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.records import Verdict
from bridge_distill.statistics import estimates, minimum_detectable, paired_difference

# The number of a question's context by its id; None where no two share one.
Contexts = Mapping[str, int] | None


def scores(verdicts: Sequence[Verdict], contexts: Contexts = None) -> dict[str, Any]:
    """Counts and the accuracy with its 95% interval, as shares from 0 to 1.

    The interval is Wilson's, or where questions share ``contexts``, which are then counted, clustered by them.
    """
    right, groups = _table(verdict.correct for verdict in verdicts), _groups(verdicts, contexts)
    found = estimates.accuracy(right, groups)
    return {
        "n": len(verdicts),
        "correct": int(right.sum()),
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        **_counted(groups),
        "parse_failures": sum(not verdict.parsed for verdict in verdicts),
        "truncated": sum(verdict.truncated for verdict in verdicts),
        "tokens": sum(verdict.tokens for verdict in verdicts),
    }


def difference(one: Sequence[Verdict], other: Sequence[Verdict], contexts: Contexts = None) -> dict[str, Any] | None:
    """One's accuracy minus the other's, in points over the questions that both answered; None where there are none.

    Where questions share ``contexts``, interval, p and power are clustered by them.
    """
    theirs = {verdict.question_id: verdict.correct for verdict in other}
    both = [verdict for verdict in one if verdict.question_id in theirs]
    if not both:
        return None
    ours, others = _table(verdict.correct for verdict in both), _table(theirs[verdict.question_id] for verdict in both)
    found, groups = paired_difference(ours[0], others[0]), _groups(both, contexts)
    if groups is not None:
        return asdict(found) | _clustered(ours, others, groups)
    detectable = minimum_detectable(found.n, found.discordant / found.n) if found.discordant else None
    return {**asdict(found), "resolved": found.resolved, "detectable": detectable}


def _clustered(ours: estimates.Table, others: estimates.Table, groups: NDArray[np.int64]) -> dict[str, Any]:
    """What a study of one seed says of the pair."""
    found = estimates.difference(ours, others, groups)
    return {
        "low": 100 * found.low,
        "high": 100 * found.high,
        "p": found.p,
        "resolved": found.low > 0 or found.high < 0,
        "detectable": None if found.detectable is None else 100 * found.detectable,
        **_counted(groups),
    }


def _table(right: Iterable[bool]) -> estimates.Table:
    """Answers of one seed, of shape (1, questions)."""
    return np.array([[*right]], dtype=np.bool_)


def _groups(verdicts: Sequence[Verdict], contexts: Contexts) -> estimates.Groups:
    """The context of each verdict; of a question that is not known, one of its own."""
    if contexts is None:
        return None
    return np.array([contexts.get(one.question_id, -1 - place) for place, one in enumerate(verdicts)], dtype=np.int64)


def _counted(groups: estimates.Groups) -> dict[str, int]:
    return {} if groups is None else {"contexts": len(np.unique(groups))}
