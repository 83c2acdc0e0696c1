"""What is known of the traces already: signals by id, and vectors by row, from files that others made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge_distill import artifacts
from bridge_distill.curation.contract import Trace
from bridge_distill.errors import UserError, nearest
from bridge_distill.report.folder import open_run
from bridge_distill.selection.vectors import Floats
from bridge_distill.table import Table, read_npy

IDS = ("question_id", "id")


def known_signals(source: Path, traces: Sequence[Trace]) -> dict[str, NDArray[np.float64]]:
    """Columns of numbers (traces,) by name, NaN for a trace that ``source`` does not know or has no number for.

    ``source`` is a run, a score stage's folder, or a JSONL or Parquet file with ``question_id`` or ``id``. Raises
    ``UserError`` for one that cannot be read, has no distinct ids, or knows none of the traces.
    """
    place = f"--signals {source}"
    table = Table(_scores_file(source), place)
    name = next((name for name in IDS if name in table.names), None)
    if name is None:
        raise UserError(place, f"has no column {' or '.join(IDS)}", nearest("id", table.names))
    row_of = {found: row for row, found in enumerate(table.texts(name, place))}
    if len(row_of) < len(table):
        raise UserError(place, f"names an id twice in the column {name}", "keep one row a question")
    rows = np.array([row_of.get(trace.question.id, -1) for trace in traces])
    if (rows < 0).all():
        raise UserError(place, "knows none of the traces that are left by id", "give signals of the same pool")
    columns = table.signals(without=[name])
    return {signal: np.where(rows < 0, np.nan, values[rows]) for signal, values in columns.items()}


def known_vectors(source: str, pool: Path, rows: int, traces: Sequence[Trace]) -> Floats:
    """The vectors (traces, width) of a ``.npy`` file with a row for each of the pool's ``rows``, or of its column."""
    place = f"--embeddings {source}"
    found = read_npy(Path(source), place) if source.endswith(".npy") else Table(pool, "--pool").vectors(source, place)
    if found.ndim != 2 or len(found) != rows:
        raise UserError(place, f"has shape {found.shape} for {rows} rows of the pool", "give one vector a row")
    return found[[trace.row for trace in traces]]


def _scores_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    if (source / artifacts.SCORES).is_file():
        return source / artifacts.SCORES
    score = open_run(source).folder("score")
    if score is None:
        raise UserError(f"--signals {source}", "is a run whose pool is not scored", "run it with --until score")
    return score / artifacts.SCORES
