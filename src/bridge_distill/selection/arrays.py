"""Selection for people who never run the pipeline: plain arrays in, row numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.selection.contract import Pool
from bridge_distill.selection.parallel import usable_threads
from bridge_distill.selection.ranking import check_needs, make_selector, rank
from bridge_distill.selection.vectors import Floats


def select(
    embeddings: Floats | None,
    difficulty: NDArray[Any] | Sequence[float] | None,
    budget: int,
    method: str = "stratified",
    *,
    options: Mapping[str, Any] | None = None,
    ids: Sequence[str] | Sequence[int] | None = None,
    domains: Sequence[str | None] | None = None,
    signals: Mapping[str, NDArray[Any]] | None = None,
    target: Floats | None = None,
    weighted: Floats | None = None,
    taken: NDArray[np.integer[Any]] | Sequence[int] = (),
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[np.int64]:
    """Row numbers of the ``budget`` rows to choose, most wanted first, shape (min(budget, n - taken),).

    ``embeddings`` (n, width) is float16 or float32, a memory map included, and is not changed; ``difficulty``
    (n,) lies in 0..1, None where unknown. ``ids`` (n,) decide ties and make the choice independent of
    the order of rows; without them row numbers do. ``taken`` are rows that were chosen earlier, in order of
    choosing: they count as covered and are not chosen again. ``docs/selection.md`` describes methods and
    options, and what each needs. Raises ``bridge_distill.errors.UserError`` in one sentence for what does not fit.
    """
    n = _length(embeddings, difficulty, ids, domains)
    pool = Pool(
        range(n) if ids is None else ids,
        None if embeddings is None else np.asarray(embeddings),
        None if difficulty is None else np.asarray(difficulty, dtype=np.float64),
        domains,
        {name: np.asarray(column, dtype=np.float64) for name, column in (signals or {}).items()},
        None if target is None else np.asarray(target),
        None if weighted is None else np.asarray(weighted),
        np.asarray(taken) if len(taken) else np.empty(0, dtype=np.int64),
    )
    selector = make_selector(method, options or {}, seed, threads or usable_threads())
    check_needs(method, pool.known)
    return np.array([pick.index for pick in rank(selector, pool, budget)], dtype=np.int64)


def _length(*parts: Any) -> int:
    return next((len(part) for part in parts if part is not None), 0)
