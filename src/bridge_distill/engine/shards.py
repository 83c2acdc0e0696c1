"""Work through a long list shard by shard, so that a kill loses at most the shard under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
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
    make: Callable[[Sequence[Item], int], list[Record]],
    tick: Tick,
) -> list[Record]:
    """Rows of all shards in order; finished shards in ``scratch`` are not made again.

    ``make(part, start)`` gets a shard's items and the position of its first one; it advances ``tick`` itself.
    """

    def write(part: Sequence[Item], start: int, file: Path) -> None:
        write_rows(file, record, make(part, start))

    return [row for file in shard_files(items, size, scratch, write, tick) for row in read_rows(file, record)]


def shard_files(
    items: Iterable[Item],
    size: int,
    scratch: Path,
    make: Callable[[Sequence[Item], int, Path], None],
    tick: Tick,
) -> Iterator[Path]:
    """The file of each shard in order, one shard of ``items`` in memory at a time.

    ``make(part, start, file)`` gets a shard's items and the position of its first one; it writes ``file``
    last and atomically, since a shard counts as finished where that file is, and advances ``tick`` itself.
    """
    left = iter(items)
    for start in count(0, size):
        part = list(islice(left, size))
        if not part:
            return
        file = scratch / f"shard-{size}-{start:08d}.parquet"
        if file.exists():
            tick(len(part))
        else:
            make(part, start, file)
        yield file
