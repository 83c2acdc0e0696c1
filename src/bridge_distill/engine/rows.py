"""Frozen dataclasses to Parquet and back, one row a record, in batches: a file may be larger than memory."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Record = TypeVar("Record")
# Rows that are Python objects at once: about as many as a core's cache holds.
BATCH = 1024
# Batches of a row group, the unit that a reader of Parquet holds.
GROUP = 16
_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
}


def schema_of(record: type[Any]) -> pa.Schema:
    """The Arrow schema of a record class; optional fields are nullable."""
    hints = typing.get_type_hints(record)
    return pa.schema([_field(field.name, hints[field.name]) for field in fields(record)])


def write_rows(path: Path, record: type[Record], rows: Iterable[Record], **parquet: Any) -> None:
    """Write rows atomically: a reader sees the whole file or none. ``parquet`` goes to pyarrow's writer."""
    partial = path.with_name(path.name + ".partial")
    schema = schema_of(record)
    made = _in_batches(rows, schema)
    with pq.ParquetWriter(partial, schema, **parquet) as writer:
        while group := list(islice(made, GROUP)):
            writer.write_table(pa.Table.from_batches(group))
    partial.replace(path)


def read_rows(path: Path, record: type[Record]) -> list[Record]:
    """Read every row of a file that ``write_rows`` wrote."""
    return list(iterate_rows(path, record))


def count_rows(path: Path) -> int:
    """How many rows a file holds, by its footer."""
    return int(pq.read_metadata(path).num_rows)


def iterate_rows(path: Path, record: type[Record], kept: NDArray[np.bool_] | None = None) -> Iterator[Record]:
    """The rows of a file in order, or those marked in ``kept`` (of shape (rows,)), a batch in memory at a time."""
    for batch in batches(path, schema_of(record), kept):
        yield from map(record, *(column.to_pylist() for column in batch.columns))


def batches(path: Path, schema: pa.Schema, kept: NDArray[np.bool_] | None = None) -> Iterator[pa.RecordBatch]:
    """The columns of ``schema`` of the rows that ``iterate_rows`` gives; one that the file lacks is null."""
    start = 0
    # Reading ahead would take in the whole file while its first rows are worked on.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        found = [name for name in schema.names if name in file.schema_arrow.names]
        for read in file.iter_batches(BATCH, columns=found, use_threads=False):
            batch = _completed(read, schema)
            yield batch if kept is None else batch.filter(pa.array(kept[start : start + len(batch)]))
            start += len(batch)


def _completed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    found = set(batch.schema.names)
    columns = [batch[field.name] if field.name in found else pa.nulls(len(batch), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _in_batches(rows: Iterable[Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    left, kinds = iter(rows), dict(zip(schema.names, schema.types, strict=True))
    while part := list(islice(left, BATCH)):
        columns = [pa.array([getattr(row, name) for row in part], kind) for name, kind in kinds.items()]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _field(name: str, hint: Any) -> pa.Field:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(option for option in options if option is not type(None))
    return pa.field(name, _TYPES[kind], nullable=type(None) in options)
