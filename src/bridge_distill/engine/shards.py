"""Work through a long list shard by shard, so that a kill loses at most the shard under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from bridge_distill.engine.progress import Tick
from bridge_distill.engine.rows import read_rows, write_rows

Item = TypeVar("Item")
Record = TypeVar("Record")


def in_shards(
    items: Sequence[Item],
    size: int,
    scratch: Path,
    record: type[Record],
    make: Callable[[Sequence[Item], int, Path], list[Record]],
    tick: Tick,
) -> tuple[list[Record], list[Path]]:
    """Rows of all shards in order, and the shards' files; finished shards in ``scratch`` are not made again.

    ``make(part, start, file)`` gets a shard's items, the position of its first one, and the file that its
    rows will be written to when it returns; it advances ``tick`` itself.
    """
    rows: list[Record] = []
    files: list[Path] = []
    for start in range(0, len(items), size):
        part = items[start : start + size]
        file = scratch / f"shard-{size}-{start:08d}.parquet"
        if file.exists():
            tick(len(part))
        else:
            write_rows(file, record, make(part, start, file))
        rows += read_rows(file, record)
        files.append(file)
    return rows, files
