"""The untuned assistant's one pass over the pool: how unsure it is, and where each question lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill import artifacts, prompts
from bridge_distill.config import Compute, Score
from bridge_distill.engine.columns import join_arrays, read_columns, write_columns
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.rows import count_rows, iterate_rows
from bridge_distill.engine.shards import shard_files
from bridge_distill.errors import UserError
from bridge_distill.models.batches import batches
from bridge_distill.models.load import Model, load
from bridge_distill.records import Question
from bridge_distill.selection import measure
from bridge_distill.selection.difficulty import check_difficulty, difficulty
from bridge_distill.selection.measure import Batch, Column, Embedder, Signal, signals

_LARGEST_HALF = float(np.finfo(np.float16).max)


def score(
    settings: Score, base: str, place: str, data: Path, folder: Path, scratch: Path, compute: Compute, seed: int
) -> dict[str, Any]:
    """Write each training question's signals, difficulty and embedding; returns figures.

    The pool is read and measured shard by shard; only the signals themselves are held for all of it.
    Raises ``UserError`` for a question that is too long for the base, and for a name that nothing answers to.
    """
    check_score(settings)
    chosen = [signals.get(name, "score.signals") for name in settings.signals]
    spaces, model = _spaces(settings), load(base, compute, place)
    total = count_rows(data / artifacts.TRAIN)
    _refuse_too_long(model, _pool(data))
    with progress("scoring the pool", total) as tick:

        def make(part: Sequence[Question], start: int, file: Path) -> None:
            _measure(model, part, start, settings, chosen, spaces, compute.batch_tokens, seed, file, tick)

        files = [*shard_files(_pool(data), settings.shard, scratch, make, tick)]
    return _gather(settings, files, [*spaces], folder, total)


def check_score(settings: Score) -> None:
    """Raise ``UserError`` for a signal, an embedder or a part of difficulty that nothing answers to."""
    columns = [column for name in settings.signals for column in signals.get(name, "score.signals").columns]
    check_difficulty(settings.difficulty, columns)
    measure.embedders.get(settings.embedder.partition(":")[0], "score.embedder")


def written_tokens(settings: Score) -> int:
    """Tokens that the signals have the base write for a question, beside the one reading of its prompt."""
    return sum(signals.get(name, "score.signals").tokens(settings) for name in settings.signals)


def draws(settings: Score) -> dict[str, str]:
    """What draws depend on beside the seed, for the fingerprint of the stage; nothing where no signal may draw."""
    drawn = any(signals.get(name, "score.signals").draws for name in settings.signals)
    return {"draws": "by the question's place"} if drawn else {}


def _spaces(settings: Score) -> dict[str, Embedder]:
    """What gives the vectors of each file."""
    found = {artifacts.EMBEDDINGS: measure.find_embedder(settings.embedder)}
    return found | ({artifacts.WEIGHTED: _weighted} if settings.weighted else {})


def _weighted(batch: measure.Readable) -> NDArray[np.float32]:
    return batch.reading.pooled(weighted=True)


def _pool(data: Path) -> Iterator[Question]:
    return iterate_rows(data / artifacts.TRAIN, Question)


def _measure(
    model: Model,
    questions: Sequence[Question],
    start: int,
    settings: Score,
    chosen: Sequence[Signal],
    spaces: dict[str, Embedder],
    batch_tokens: int,
    seed: int,
    file: Path,
    tick: Tick,
) -> None:
    """Write the shard from ``start`` on: its embeddings, then its signals to ``file``, which says it is finished."""
    heads = [model.prompt_ids(prompts.local(question)) for question in questions]
    extra = len(measure.mark_ids(model)) + settings.draft_tokens
    columns = {name: np.empty(len(questions)) for signal in chosen for name in signal.columns}
    vectors: dict[str, dict[int, NDArray[np.float32]]] = {name: {} for name in spaces}
    for rows in batches([len(head) + extra for head in heads], batch_tokens):
        asked, read = [questions[row] for row in rows], [heads[row] for row in rows]
        batch = Batch(model, asked, read, [start + row for row in rows], settings, batch_tokens, seed)
        for signal in chosen:
            for name, values in zip(signal.columns, signal.measure(batch), strict=True):
                columns[name][rows] = values
        for name, embed in spaces.items():
            vectors[name] |= zip(rows, embed(batch), strict=True)
        tick(len(rows))
    for name, found in vectors.items():
        np.save(
            file.with_suffix(f".{name}"), _stored(np.stack([found[row] for row in range(len(questions))]), settings)
        )
    write_columns(file, {"question_id": [question.id for question in questions], **columns})


def _stored(vectors: NDArray[np.float32], settings: Score) -> NDArray[Any]:
    if not settings.half:
        return vectors
    if np.abs(vectors).max() > _LARGEST_HALF:
        raise UserError("score.half", "this embedder's vectors are too large for float16", "set it to false")
    return vectors.astype(np.float16)


def _gather(settings: Score, files: list[Path], spaces: list[str], folder: Path, total: int) -> dict[str, Any]:
    """Join the shards; difficulty, a matter of ranks, waits for all of them."""
    parts = [read_columns(file) for file in files]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    ids = columns.pop("question_id")
    hard = difficulty(columns, settings.difficulty)
    kind = np.float16 if settings.half else np.float32
    for name in spaces:
        join_arrays((file.with_suffix(f".{name}") for file in files), folder / name, total, kind)
    write_columns(folder / artifacts.SCORES, {"question_id": ids, "difficulty": hard, **columns})
    return {"questions": total, **{f"mean_{name}": _mean(values) for name, values in columns.items()}}


def _mean(values: Column) -> float | None:
    """Over the questions that have the signal; None where no question has it."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _refuse_too_long(model: Model, questions: Iterator[Question]) -> None:
    limit = model.network.config.max_position_embeddings
    for question in questions:
        length = len(model.prompt_ids(prompts.local(question)))
        if length > limit:
            cure = "shorten or remove it"
            raise UserError(f"question {question.id}", f"has {length} tokens, the base reads {limit}", cure)
