"""Frozen dataclasses to Parquet and back, one row a record."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

Record = TypeVar("Record")
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


def write_rows(path: Path, record: type[Record], rows: Iterable[Record]) -> None:
    """Write rows atomically: a reader sees the whole file or none."""
    partial = path.with_name(path.name + ".partial")
    table = pa.Table.from_pylist([asdict(typing.cast(Any, row)) for row in rows], schema=schema_of(record))
    pq.write_table(table, partial)
    partial.replace(path)


def read_rows(path: Path, record: type[Record]) -> list[Record]:
    """Read every row of a file that ``write_rows`` wrote."""
    return _records(pq.read_table(path, schema=schema_of(record)), record)


def _records(table: pa.Table, record: type[Record]) -> list[Record]:
    return [record(**row) for row in table.to_pylist()]


def _field(name: str, hint: Any) -> pa.Field:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(option for option in options if option is not type(None))
    return pa.field(name, _TYPES[kind], nullable=type(None) in options)
