"""A file of the user's own: rows as they are, columns as arrays, and chosen rows written back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.data.sources import not_parquet, read_file, unreadable
from bridge_distill.errors import UserError, nearest
from bridge_distill.outfile import new_file
from bridge_distill.selection.contract import Pick
from bridge_distill.selection.vectors import Floats

SUFFIXES = (".jsonl", ".parquet")
RANK, GAIN, REASON = "selected_rank", "selected_gain", "selected_reason"
_TYPES = {RANK: "int64", GAIN: "double", REASON: "string"}


class Table:
    """The rows of a JSONL or Parquet file, in memory. Raises ``UserError`` for a file or a row that cannot be read.

    ``option`` names the file in an error, such as ``--pool``.
    """

    def __init__(self, path: Path, option: str) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(option, f"{str(path)!r} has no known file type", f"give {' or '.join(SUFFIXES)}")
        self._listed = path.suffix.lower() == ".jsonl"
        rows: Any = _read_jsonl(path, option) if self._listed else _read_parquet(path, option)
        self._rows = rows
        self.names: list[str] = list(dict.fromkeys(chain(*rows))) if self._listed else rows.column_names

    def __len__(self) -> int:
        return len(self._rows)

    def values(self, name: str, place: str) -> list[Any]:
        """A column's plain values, None where a row has none; ``place`` names the option that asks, in errors."""
        self._check(name, place)
        return [row.get(name) for row in self._rows] if self._listed else self._rows[name].to_pylist()

    def texts(self, name: str, place: str) -> list[str | None]:
        """A column as text."""
        return [None if value is None else str(value) for value in self.values(name, place)]

    def numbers(self, name: str, place: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where a row has none."""
        self._check(name, place)
        found = self._numbers(name)
        if found is None:
            raise UserError(place, "holds what is no number", "name a column of numbers")
        return found

    def signals(self, without: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Every column of numbers by name, NaN where a row has none."""
        columns = {name: self._numbers(name) for name in self.names if name not in without}
        return {name: column for name, column in columns.items() if column is not None}

    def vectors(self, source: str, place: str) -> Floats:
        """A ``.npy`` file, read as a memory map, or a column of equally long lists of numbers; shape (rows, width)."""
        if source.endswith(".npy"):
            return read_npy(Path(source), place)
        self._check(source, place)
        values = self.values(source, place) if self._listed else _flat(self._rows[source].combine_chunks())
        try:
            found: Floats = np.asarray(values, dtype=None if isinstance(values, np.ndarray) else np.float32)
        except (ValueError, TypeError):
            found = np.empty(0)
        if found.ndim != 2 or len(found) != len(self):
            cure = "embed every question with one model, or give a .npy file"
            raise UserError(place, "does not hold lists of numbers of one length", cure)
        return found

    def _numbers(self, name: str) -> NDArray[np.float64] | None:
        """A column as numbers; None where it holds anything else, or nothing."""
        if not self._listed:
            return _flat_numbers(self._rows[name])
        values = [row.get(name) for row in self._rows]
        kinds = set(map(type, values))
        if not kinds <= {int, float, type(None)} or kinds == {type(None)}:
            return None
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def _check(self, name: str, place: str) -> None:
        if name not in self.names:
            raise UserError(place, f"{name!r} is no column of the file", nearest(name, self.names))

    def write(self, path: Path, picks: Sequence[Pick]) -> None:
        """Write the rows of ``picks`` in their order, with rank, gain and reason beside: whole, or not at all.

        From Parquet to Parquet every column keeps its type.
        """
        rows = [pick.index for pick in picks]
        if self._listed:
            told = (_reasons(rank, pick) for rank, pick in enumerate(picks))
            write_table(path, [{**self._rows[row], **reasons} for row, reasons in zip(rows, told, strict=True)])
            return
        chosen = _with_reasons(self._rows.take(rows), picks)
        if path.suffix.lower() == ".parquet":
            _replace_parquet(path, chosen)
        else:
            write_table(path, chosen.to_pylist())


def read_npy(path: Path, place: str) -> Floats:
    """A matrix of numbers as a memory map; ``place`` names the option that asks, in errors."""
    try:
        found: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise UserError(place, problem, "give a file that numpy.save wrote") from None
    except ValueError:
        raise UserError(place, "is no .npy file of numbers", "write it with numpy.save") from None
    if not np.issubdtype(found.dtype, np.floating):
        raise UserError(place, f"holds {found.dtype}", "write float16 or float32")
    return found


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as JSONL or Parquet, by the suffix: whole, or not at all. A NaN is null in JSONL, which has none."""
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, rows)
        return
    with new_file(path) as stream:
        stream.writelines(_line(row) for row in rows)


def _line(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, default=str, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        raise UserError("--out", f"JSON has no word for {value}, which a row holds", "end its name with .parquet")
    return None if isinstance(value, float) and math.isnan(value) else value


def _reasons(rank: int, pick: Pick) -> dict[str, Any]:
    return {RANK: rank, GAIN: pick.gain, REASON: pick.reason}


def _with_reasons(table: Any, picks: Sequence[Pick]) -> Any:
    """An Arrow table of chosen rows with the columns of their reasons at its end, which replace earlier ones."""
    import pyarrow as pa

    told = [_reasons(rank, pick) for rank, pick in enumerate(picks)]
    kept = table.drop_columns([name for name in _TYPES if name in table.column_names])
    for name, kind in _TYPES.items():
        kept = kept.append_column(name, pa.array([row[name] for row in told], kind))
    return kept


def _write_parquet(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow as pa

    columns = {}
    for name in dict.fromkeys(chain(*rows)):
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except pa.ArrowException:
            problem = f"Parquet cannot hold column {name}, whose values are of several kinds"
            raise UserError("--out", problem, "end its name with .jsonl") from None
    _replace_parquet(path, pa.table(columns))


def _replace_parquet(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    partial = path.with_name(f".{path.name}.partial")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_jsonl(path: Path, option: str) -> list[dict[str, Any]]:
    rows = []
    for row in read_file(path, option):
        if row.values is None:
            raise UserError(f"{path}:{row.line}", f"is {row.problem}", "correct or remove the line")
        rows.append(row.values)
    return rows


def _read_parquet(path: Path, option: str) -> Any:
    """Column by column: a column of vectors must not become a million lists."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, memory_map=True)
    except OSError as error:
        raise unreadable(path, option, error) from None
    except pa.ArrowException as error:
        raise not_parquet(path, option, error) from None


def _flat(column: Any) -> Any:
    """A column of lists without making a list of each; None for anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return None
    alike = column.null_count == 0 and pc.count_distinct(pc.list_value_length(column)).as_py() == 1
    numbers = column.flatten()
    if not alike or not pa.types.is_floating(numbers.type):
        return None
    return numbers.to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _flat_numbers(column: Any) -> NDArray[np.float64] | None:
    """A column of numbers without making a list of it; None for one of another type."""
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return None
    numbers: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers
