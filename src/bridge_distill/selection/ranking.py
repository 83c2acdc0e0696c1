"""From a method's name and options to a ranked choice: everything that can be wrong is refused first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError
from bridge_distill.section import Section
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.vectors import Floats, bad_row
from bridge_distill.validation import read_options

_CURES = {
    "embeddings": "give one vector a question",
    "difficulty": "give one number from 0 to 1 a question",
    "target": "give embeddings of questions like those that are to be answered well",
}


def settings_of(method: str, options: Mapping[str, Any], place: str = "select") -> Section:
    """A method's options with all defaults filled in; raises ``UserError`` for an unknown name or a bad value."""
    model = selectors.get(method, f"{place}.method").options
    return read_options(model, options, place, "method", method)


def make_selector(method: str, options: Mapping[str, Any], seed: int, threads: int) -> Selector[Any]:
    """The selector of that name; raises ``UserError`` as ``settings_of`` does."""
    return selectors.get(method, "select.method")(settings_of(method, options), seed, threads)


def check_needs(method: str, known: frozenset[str]) -> None:
    """Raise ``UserError`` unless ``known`` parts of a pool are all that a method needs."""
    for part in sorted(selectors.get(method, "select.method").needs - known):
        raise UserError("select.method", f"{method} needs {part}, which this pool has not", _CURES[part])


def rank(selector: Selector[Any], pool: Pool, count: int, among: NDArray[np.int64] | None = None) -> list[Pick]:
    """Choose ``count`` rows, or all that are left, of a pool in any order of ids, which does not matter to the choice.

    ``among`` are the rows to choose from, with those that are taken; None means all.
    Raises ``UserError`` for a pool that is empty, or holds values that are no numbers, or lengths that differ.
    """
    assert pool.rows is None, "what is checked and sorted here is no part of another pool"
    _check(pool)
    if count < 1:
        raise UserError("budget", f"must be above 0 (got {count})", "choose at least one question")
    order = _ascending(pool.ids) if among is None else _by_id(pool.ids, among)
    sorted_pool = pool if order is None else pool.part(order)
    count = min(count, len(sorted_pool) - len(pool.taken))
    picks = selector.choose(sorted_pool, count) if count else []
    if order is None:
        return picks
    return [Pick(int(order[pick.index]), pick.gain, pick.reason) for pick in picks]


def _check(pool: Pool) -> None:
    n = len(pool)
    if n == 0:
        raise UserError("pool", "holds no questions", "give at least one")
    if len(set(pool.ids)) < n:
        raise UserError("ids", "are not distinct", "give every question an id of its own")
    for name, matrix in (("embeddings", pool.embeddings), ("weighted", pool.weighted)):
        if matrix is not None:
            _check_matrix(name, matrix, pool.ids, None)
    if pool.target is not None:
        space = pool.embeddings if pool.weighted is None else pool.weighted
        _check_matrix("target", pool.target, range(len(pool.target)), space)
    for name, column in pool.signals.items():
        _check_length(f"signals.{name}", column, n)
    if pool.difficulty is not None:
        _check_difficulty(pool.difficulty, pool.ids)
    if pool.domains is not None:
        _check_domains(pool.domains, pool.ids)
    _check_taken(pool.taken, n)


def _check_matrix(name: str, matrix: Floats, ids: Sequence[object], like: Floats | None) -> None:
    if matrix.ndim != 2 or len(matrix) != len(ids) or matrix.shape[1] == 0:
        raise UserError(name, f"have shape {matrix.shape} for {len(ids)} questions", "give one vector a question")
    if like is not None and matrix.shape[1] != like.shape[1]:
        raise UserError(name, f"have width {matrix.shape[1]}, the pool's {like.shape[1]}", "embed both alike")
    bad = bad_row(matrix)
    if bad is not None:
        cure = "remove the question or embed it again"
        raise UserError(name, f"row {bad} (id {ids[bad]}) holds NaN or infinity", cure)


def _check_length(name: str, column: NDArray[np.float64], n: int) -> None:
    if column.shape != (n,):
        raise UserError(name, f"has shape {column.shape} for {n} questions", "give one number a question")


def _check_difficulty(difficulty: NDArray[np.float64], ids: Sequence[object]) -> None:
    _check_length("difficulty", difficulty, len(ids))
    sound = np.isfinite(difficulty)
    if not sound.all():
        bad = int(np.argmin(sound))
        lacking = f"{len(ids) - int(sound.sum())} of {len(ids)} questions lack a number"
        problem = f"row {bad} (id {ids[bad]}) is NaN or infinite ({lacking})"
        raise UserError("difficulty", problem, "remove the question or the column")
    if difficulty.min() < 0 or difficulty.max() > 1:
        raise UserError("difficulty", "is outside 0..1", "scale it, for example to the rank over the pool's size")


def _check_domains(domains: Sequence[object], ids: Sequence[object]) -> None:
    if len(domains) != len(ids):
        raise UserError("domains", f"are {len(domains)} for {len(ids)} questions", "give one a question")
    for row, domain in enumerate(domains):
        if not (domain is None or isinstance(domain, str)):
            problem = f"row {row} (id {ids[row]}) is {domain!r}, neither text nor None"
            raise UserError("domains", problem, "give None where a domain is not known")


def _check_taken(taken: NDArray[np.int64], n: int) -> None:
    if taken.ndim != 1 or (len(taken) and not np.issubdtype(taken.dtype, np.integer)):
        raise UserError("taken", f"has shape {taken.shape} of {taken.dtype}", "give a list of row numbers")
    outside = taken[(taken < 0) | (taken >= n)]
    if len(outside):
        raise UserError("taken", f"holds {outside[0]}, which is no row of {n}", "give row numbers from 0")
    if len(np.unique(taken)) < len(taken):
        raise UserError("taken", "holds a row twice", "give every row once")


def _ascending(ids: Sequence[str] | Sequence[int]) -> NDArray[np.int64] | None:
    """The rows in ascending order of their ids; None where they are so already."""
    if isinstance(ids, range) and ids.step > 0:
        return None
    known: Sequence[Any] = ids
    if all(known[row] < known[row + 1] for row in range(len(known) - 1)):
        return None
    return _by_id(ids, np.arange(len(ids)))


def _by_id(ids: Sequence[str] | Sequence[int], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array(sorted(rows.tolist(), key=ids.__getitem__), dtype=np.int64)
