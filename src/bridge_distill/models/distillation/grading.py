"""What the assistant thinks of texts that exist: read once, kept on disk as its likeliest next tokens.

Each span of a text has its ``k`` likeliest classes (uint32) and the log-probabilities (float16) of these, of all
others together and of the span itself: 6 bytes a class. Shards are written as they are read, and read through the
file system's cache, so memory grows with neither texts nor vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.engine.columns import join_arrays, read_columns, write_columns
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.shards import shard_files
from bridge_distill.models.batches import batches
from bridge_distill.models.distillation.events import Side, events, likeliest, merging, summed
from bridge_distill.models.distillation.pairs import Pair, Readers
from bridge_distill.models.distillation.states import before, padded, states
from bridge_distill.models.load import Model
from bridge_distill.models.reading import logits

TEXTS = "texts.parquet"
_SHARD = 64
_KINDS = {"spans": np.uint16, "classes": np.uint32, "logs": np.float16}


@dataclass(frozen=True)
class Graded:
    """What is kept of one text: ``spans`` (spans, 2), ``classes`` (spans, k), ``logs`` (spans, k + 2)."""

    spans: NDArray[Any]
    classes: NDArray[Any]
    logs: NDArray[Any]


class Grades:
    """Graded texts by number, read from their files when they are asked for.

    ``read`` is how many tokens the assistant has read for them.
    """

    def __init__(self, folder: Path) -> None:
        table = read_columns(folder / TEXTS)
        self._ends, self._tokens = table["end"], table["tokens"]
        self.read = int(table["read"].sum())
        self._arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _KINDS]

    def __len__(self) -> int:
        return len(self._ends)

    def tokens(self, text: int) -> int:
        """How many tokens of the student were graded, or had no grade that could be compared."""
        return int(self._tokens[text])

    def __getitem__(self, text: int) -> Graded:
        start, end = (int(self._ends[text - 1]) if text else 0), int(self._ends[text])
        return Graded(*(np.array(array[start:end]) for array in self._arrays))


def grade(
    readers: Readers,
    assistant: Model,
    texts: Sequence[tuple[str, list[int]]],
    k: int,
    temperature: float,
    folder: Path,
    batch_tokens: int,
    label: str,
) -> Grades:
    """Have the assistant read texts, each a prompt and the student's tokens after it, unless it has done so before.

    Goes on after a kill with the shard under way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / TEXTS
    if not done.exists():
        with progress(label, len(texts)) as tick:

            def write(part: Sequence[tuple[str, list[int]]], _: int, file: Path) -> None:
                _write(readers, assistant, part, k, temperature, batch_tokens, file, tick)

            files = list(shard_files(texts, _SHARD, folder, write, tick))
        _join(files, folder)
    return Grades(folder)


def _write(
    readers: Readers,
    assistant: Model,
    texts: Sequence[tuple[str, list[int]]],
    k: int,
    temperature: float,
    batch_tokens: int,
    file: Path,
    tick: Tick,
) -> None:
    """Write a shard: its arrays first, then ``file``, which says that it is finished."""
    pairs = [readers.pair(*text) for text in texts]
    found: dict[int, Graded] = {}
    for rows in batches([len(pair.assistant.ids) for pair in pairs], batch_tokens):
        found |= zip(rows, _read(readers, assistant, [pairs[row] for row in rows], k, temperature), strict=True)
        tick(len(rows))
    for name, kind in _KINDS.items():
        parts = [getattr(found[row], name) for row in range(len(pairs))]
        np.save(file.with_suffix(f".{name}.npy"), np.concatenate(parts).astype(kind))
    columns = {
        "spans": [len(pair.spans) for pair in pairs],
        "tokens": [len(pair.student.completion) for pair in pairs],
        "read": [len(pair.assistant.ids) for pair in pairs],
    }
    write_columns(file, columns)


def _read(readers: Readers, assistant: Model, pairs: Sequence[Pair], k: int, temperature: float) -> list[Graded]:
    """Grade some texts in one pass, of which only the likeliest classes stay."""
    made = []
    for pair, said in zip(pairs, heard(readers, assistant, pairs, temperature), strict=True):
        kept = likeliest(said, k)
        logs = summed(said, kept)
        made.append(Graded(pair.spans, kept.cpu().numpy(), logs.cpu().numpy()))
    return made


def heard(readers: Readers, assistant: Model, pairs: Sequence[Pair], temperature: float) -> Iterator[Any]:
    """The assistant's events (spans, classes + 1) of some texts that it reads in one pass, one text at a time."""
    import torch

    network, device = assistant.network, assistant.network.device
    classes = torch.from_numpy(readers.shared.assistant).to(device)
    with torch.no_grad():
        rows = [pair.assistant.ids for pair in pairs]
        found = states(network, padded(rows, assistant.tokenizer.pad_token_id, device))
    for row, pair in enumerate(pairs):
        lengths = torch.from_numpy(pair.spans[:, 1].copy()).to(device)
        merged = torch.from_numpy(merging(pair.spans)).to(device)
        tokens = torch.tensor(pair.assistant.completion[: int(lengths.sum())], dtype=torch.long, device=device)
        with torch.no_grad():
            made = logits(network, before(found, row, len(pair.assistant.prompt), len(tokens)))
            yield events(Side(made, tokens, lengths, classes), merged, readers.shared.count, temperature)


def _join(files: Sequence[Path], folder: Path) -> None:
    """One array of each kind; the table of texts, written last, says that all are there."""
    tables = [read_columns(file) for file in files]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    ends = columns.pop("spans").cumsum()
    for name, kind in _KINDS.items():
        parts = (file.with_suffix(f".{name}.npy") for file in files)
        join_arrays(parts, folder / f"{name}.npy", int(ends[-1]), kind)
    write_columns(folder / TEXTS, {"end": ends, **columns})
