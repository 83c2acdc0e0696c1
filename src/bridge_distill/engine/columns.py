"""Tables whose columns are known only when they are made, and arrays of vectors, as files that others read too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray


def write_columns(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns of one length (arrays, or lists of text) as Parquet, atomically."""
    partial = path.with_name(path.name + ".partial")
    pq.write_table(pa.table(dict(columns)), partial)
    partial.replace(path)


def read_columns(path: Path, names: list[str] | None = None) -> dict[str, NDArray[Any]]:
    """The columns of a Parquet file, or those named, as arrays; a null in a column of numbers is NaN."""
    with pq.ParquetFile(path) as file:
        table = file.read(columns=names)
    return {name: table[name].to_numpy() for name in table.column_names}


def join_arrays(files: Iterable[Path], path: Path, rows: int, kind: DTypeLike) -> None:
    """Write the arrays of ``.npy`` files below each other as one of ``rows`` rows, atomically.

    One part is in memory at a time. Raises ``ValueError`` where the parts have another number of rows.
    """
    partial, start = path.with_name(path.name + ".partial"), 0
    for file in files:
        part = np.load(file, allow_pickle=False)
        # Mapped anew for each part: pages written through an open map would count as this process's memory.
        if start == 0:
            whole = open_memmap(partial, mode="w+", dtype=kind, shape=(rows, *part.shape[1:]))
        else:
            whole = open_memmap(partial, mode="r+")
        whole[start : start + len(part)] = part
        whole.flush()
        del whole
        start += len(part)
    if start != rows:
        raise ValueError(f"the parts of {path} have {start} rows, not {rows}")
    partial.replace(path)
