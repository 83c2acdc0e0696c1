"""Self-consistency: of several replies, one that gives the answer that most of them come to.

Wang et al. 2022, Self-consistency improves chain of thought reasoning in language models (arXiv 2203.11171).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from bridge_distill.guidance.draft import Draft


def elect(drafts: Sequence[Draft], answers: Sequence[str | None], weighted: bool) -> tuple[Draft, float]:
    """The likeliest draft of the answer with most votes, and the share of the votes that it has.

    An answer that cannot be read has no vote, unless none can. Ties go to the answer with the likelier drafts, then
    to the first by its letters: the order of the drafts decides nothing.
    """
    groups: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft, answer in zip(drafts, answers, strict=True):
        if answer is not None:
            groups[answer].append(draft)
    if not groups:
        return _likeliest(drafts), 0.0
    sure = {answer: math.fsum(map(_sureness, group)) for answer, group in groups.items()}
    votes = sure if weighted else {answer: float(len(group)) for answer, group in groups.items()}
    winner = min(groups, key=lambda answer: (-votes[answer], -sure[answer], answer))
    whole = math.fsum(map(_sureness, drafts)) if weighted else len(drafts)
    return _likeliest(groups[winner]), votes[winner] / whole if whole else 0.0


def _sureness(draft: Draft) -> float:
    """The geometric mean of its tokens' probabilities."""
    return math.exp(draft.log_probability)


def _likeliest(drafts: Sequence[Draft]) -> Draft:
    return min(drafts, key=lambda draft: (-draft.log_probability, draft.text))
