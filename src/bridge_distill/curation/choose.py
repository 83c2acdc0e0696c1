"""What is chosen of the traces that passed: the selector ``reason1k``, as far as its quotas go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from bridge_distill import prompts
from bridge_distill.curation.contract import Trace
from bridge_distill.curation.known import known_signals, known_vectors
from bridge_distill.curation.settings import WORDS, Settings
from bridge_distill.curation.vectors import embedded, lexical
from bridge_distill.selection.contract import Pick, Pool
from bridge_distill.selection.difficulty import difficulty, scaled_ranks
from bridge_distill.selection.methods.reason1k import QUOTAS, Reason1k
from bridge_distill.selection.parallel import usable_threads
from bridge_distill.selection.ranking import make_selector, rank
from bridge_distill.selection.strata import Strata, strata
from bridge_distill.selection.turns import Quotas
from bridge_distill.selection.vectors import Floats

METHOD = "reason1k"


@dataclass(frozen=True)
class Kept:
    """The traces that passed every gate in ascending order of ids, what is known of each, and those chosen.

    ``asked`` is how many were to be chosen; ``left`` says why each of the others was not.
    """

    traces: Sequence[Trace]
    domains: Strata
    difficulty: NDArray[np.float64]
    vectors: Floats
    asked: int
    picks: Sequence[Pick]
    left: dict[int, str]

    def domain(self, row: int) -> str:
        """The domain of a trace, or its cluster where the pool names no domains."""
        return self.domains.names[int(self.domains.of[row])]


def chosen_of(
    settings: Settings, traces: Sequence[Trace], failures: NDArray[np.float64], count: int, rows: int
) -> Kept:
    """Choose ``count`` of the traces, or as many as the selector's gates and quotas allow, of a pool of ``rows``."""
    vectors = _vectors(settings, traces, rows)
    pool = Pool(
        [trace.question.id for trace in traces],
        vectors,
        None,
        [trace.question.domain for trace in traces],
        {} if settings.signals is None else known_signals(settings.signals, traces),
    )
    hard = _difficulty(settings, pool, traces, failures)
    pool = replace(pool, difficulty=hard)
    threads = settings.threads or usable_threads()
    selector = make_selector(METHOD, settings.options, settings.seed, threads)
    assert isinstance(selector, Reason1k)
    picks = rank(selector, pool, count)
    found = strata(pool, selector.settings.clusters, settings.seed, threads)
    quotas = Quotas(selector.settings.quotas, found.names, QUOTAS)
    failed = selector.gated(pool)
    picks = list(takewhile(lambda pick: not failed[pick.index], picks))
    picks = picks[: quotas.kept([int(found.of[pick.index]) for pick in picks])]
    served = np.bincount(found.of[[pick.index for pick in picks]], minlength=len(found.names))
    open_ = quotas.open(served)
    rest = sorted(set(range(len(pool))) - {pick.index for pick in picks})
    left = {
        row: failed[row] or ("not drawn" if open_[found.of[row]] else "quota of its domain is full") for row in rest
    }
    return Kept(traces, found, hard, vectors, count, picks, left)


def _difficulty(
    settings: Settings, pool: Pool, traces: Sequence[Trace], failures: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The ranks of a signal that is known, else of the trace's length and, where models were asked, of failures."""
    name = settings.difficulty_by or "difficulty"
    if settings.difficulty_by is not None or name in pool.signals:
        return scaled_ranks(pool.signal(name, f"--difficulty-by {name}"))
    words = np.array([float(len(trace.rationale.split())) for trace in traces])
    parts = {"words": words} | ({"failures": failures} if settings.models else {})
    return difficulty(parts, dict.fromkeys(parts, 1.0))


def _vectors(settings: Settings, traces: Sequence[Trace], rows: int) -> Floats:
    questions = [trace.question for trace in traces]
    if settings.embeddings is not None:
        return known_vectors(settings.embeddings, settings.pool, rows, traces)
    if settings.embedder == WORDS:
        return lexical([prompts.body(question) for question in questions], settings.seed)
    return embedded(questions, settings.embedder, settings.base, settings.beside("work") / "vectors")
