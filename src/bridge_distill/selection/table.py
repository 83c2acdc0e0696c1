"""A pool in a file of the user's own: rows as they are, columns as arrays, and the chosen rows written back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.errors import UserError, nearest
from bridge_distill.selection.vectors import Floats

SUFFIXES = (".jsonl", ".parquet")
RANK, GAIN, REASON = "selected_rank", "selected_gain", "selected_reason"


class Table:
    """The rows of a JSONL or Parquet file. Raises ``UserError`` for a file that is neither."""

    def __init__(self, path: Path, option: str = "--pool") -> None:
        self.path = path
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{option} {path}", "has no known file type", f"give {' or '.join(SUFFIXES)}")
        if not path.is_file():
            raise UserError(f"{option} {path}", "is no file", "give one with a row a question")
        self._listed = path.suffix.lower() == ".jsonl"
        rows: Any = _read_jsonl(path) if self._listed else _read_parquet(path, option)
        self._rows = rows
        self.names: list[str] = list(dict.fromkeys(chain(*rows))) if self._listed else rows.column_names

    def __len__(self) -> int:
        return len(self._rows)

    def values(self, name: str, option: str) -> list[Any]:
        """A column's plain values, None where a row has none."""
        if name not in self.names:
            raise UserError(f"{option} {name}", "is no column of the pool", nearest(name, self.names))
        return [row.get(name) for row in self._rows] if self._listed else self._rows[name].to_pylist()

    def texts(self, name: str, option: str) -> list[str | None]:
        """A column as text."""
        return [None if value is None else str(value) for value in self.values(name, option)]

    def numbers(self, name: str, option: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where a row has none."""
        found = _numbers(self.values(name, option))
        if found is None:
            raise UserError(f"{option} {name}", "holds what is no number", "name a column of numbers")
        return found

    def signals(self, without: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Every column that holds a finite number in each row, by name."""
        columns = {name: _numbers(self.values(name, "--pool")) for name in self.names if name not in without}
        return {name: column for name, column in columns.items() if column is not None and np.isfinite(column).all()}

    def vectors(self, source: str, option: str) -> Floats:
        """A ``.npy`` file, read as a memory map, or a column of equally long lists of numbers; shape (rows, width)."""
        if source.endswith(".npy"):
            return read_npy(Path(source), option)
        values = self.values(source, option) if self._listed else _flat(self._rows, source, option)
        try:
            found: Floats = np.asarray(values, dtype=None if isinstance(values, np.ndarray) else np.float32)
        except (ValueError, TypeError):
            found = np.empty(0)
        if found.ndim != 2 or len(found) != len(self):
            cure = "embed every question with one model, or give a .npy file"
            raise UserError(f"{option} {source}", "does not hold lists of numbers of one length", cure)
        return found

    def take(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Some whole rows, in the order in which they are named."""
        if self._listed:
            return [dict(self._rows[row]) for row in rows]
        taken: list[dict[str, Any]] = self._rows.take(list(rows)).to_pylist()
        return taken


def read_npy(path: Path, option: str) -> Floats:
    """A matrix of numbers as a memory map."""
    try:
        found: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise UserError(f"{option} {path}", problem, "give a file that numpy.save wrote") from None
    except ValueError:
        raise UserError(f"{option} {path}", "is no .npy file of numbers", "write it with numpy.save") from None
    if not np.issubdtype(found.dtype, np.floating):
        raise UserError(f"{option} {path}", f"holds {found.dtype}", "write float16 or float32")
    return found


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSONL or Parquet, by the suffix: whole, or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.suffix.lower() == ".parquet":
            _write_parquet(partial, rows)
        else:
            lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
            partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    for name in dict.fromkeys(chain(*rows)):
        try:
            columns[name] = pa.array([row.get(name) for row in rows])
        except pa.ArrowException:
            problem = f"Parquet cannot hold column {name}, whose values are of several kinds"
            raise UserError("--out", problem, "end its name with .jsonl") from None
    pq.write_table(pa.table(columns), path)


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise UserError(f"{path}:{number}", "is not JSON", "correct or remove the line") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}", "is no JSON object", "write one object a line")
            rows.append(row)
    return rows


def _read_parquet(path: Path, option: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, memory_map=True)
    except pa.ArrowException as error:
        raise UserError(f"{option} {path}", f"is not Parquet ({error})".splitlines()[0], "write it again") from None


def _flat(table: Any, name: str, option: str) -> Any:
    """A column of lists without making a list of each; anything else is left to the caller to refuse."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names:
        raise UserError(f"{option} {name}", "is no column of the pool", nearest(name, table.column_names))
    column = table[name].combine_chunks()
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return None
    alike = column.null_count == 0 and pc.count_distinct(pc.list_value_length(column)).as_py() == 1
    numbers = column.flatten()
    if not alike or not pa.types.is_floating(numbers.type):
        return None
    return numbers.to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _numbers(values: list[Any]) -> NDArray[np.float64] | None:
    kinds = set(map(type, values))
    if not kinds <= {int, float, type(None)} or kinds == {type(None)}:
        return None
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
