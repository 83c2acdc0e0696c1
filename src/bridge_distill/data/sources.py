"""Where rows come from: JSONL, JSON, CSV and Parquet files, or a data set of the Hugging Face hub.

A reader yields every row with its line, readable or not: a row that cannot be read carries its problem
instead of its values, so that it is listed and counted like any other rejection.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bridge_distill.engine.fingerprint import file_digest
from bridge_distill.engine.rows import BATCH
from bridge_distill.errors import UserError, nearest

HUB = "hf:"
_FIELD_LIMIT = 1 << 26


class Row(NamedTuple):
    """A row of a source: its line (or its number, from 1, where there are no lines), and its columns.

    ``values`` is None where the row cannot be read; ``problem`` and ``excerpt`` then say why. ``encodable``
    says that its texts surely hold no half of a surrogate pair.
    """

    line: int
    values: dict[str, Any] | None
    problem: str = ""
    excerpt: str = ""
    encodable: bool = False


def read(source: str, split: str) -> Iterator[Row]:
    """Every row of a source; ``split`` is ``train`` or ``test``. Raises ``UserError``."""
    if source.startswith(HUB):
        yield from _read_hub(source, split)
        return
    yield from read_file(Path(source), f"data.{split}")


def read_file(path: Path, place: str) -> Iterator[Row]:
    """Every row of a file; ``place`` names the setting that it comes from in a ``UserError``."""
    reader = _reader(path, place)
    try:
        yield from reader(path, place)
    except OSError as error:
        raise unreadable(path, place, error) from None


def content_digest(source: str, split: str) -> str:
    """A digest of what a source holds: of a file's bytes, or the id and split of a hub's data set."""
    if source.startswith(HUB):
        return HUB + ":".join(_hub_id(source, split))
    path = Path(source)
    _reader(path, f"data.{split}")
    try:
        return f"sha256:{file_digest(path)}"
    except OSError as error:
        raise unreadable(path, f"data.{split}", error) from None


def _reader(path: Path, place: str) -> Callable[[Path, str], Iterator[Row]]:
    readers = {".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        found = f"{str(path)!r} has no known file type"
        raise UserError(place, found, f"{nearest(path.suffix, readers)}, hf:owner/name or practice:task")
    return readers[path.suffix.lower()]


def unreadable(path: Path, place: str, error: OSError) -> UserError:
    """What is said of a file that the system does not let be read."""
    reason = error.strerror or str(error)
    return UserError(place, f"cannot read {path} ({reason})", "correct the path, or make the file readable")


def _read_jsonl(path: Path, place: str) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.strip():
                yield _json_row(number, raw)


def _json_row(number: int, raw: bytes) -> Row:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        return Row(number, None, "not UTF-8", raw.decode("utf-8", errors="replace"))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return Row(number, None, "not JSON", text)
    # What was decoded strictly holds a surrogate only where it is escaped.
    return _object_row(number, values, "\\u" not in text)


def _object_row(number: int, values: Any, encodable: bool = False) -> Row:
    if not isinstance(values, dict):
        return Row(number, None, "not a JSON object", json.dumps(values))
    return Row(number, values, encodable=encodable)


def _read_json(path: Path, place: str) -> Iterator[Row]:
    try:
        rows = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(place, f"{path} is not JSON ({error})", "correct it, or name a .jsonl file") from None
    if not isinstance(rows, list):
        raise UserError(place, f"{path} holds no list of rows", "write a JSON list of objects, or one object a line")
    for number, values in enumerate(rows, start=1):
        yield _object_row(number, values)


def _read_csv(path: Path, place: str) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    # Undecodable bytes become lone surrogates, which the row's check for UTF-8 then finds line by line.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                yield Row(reader.line_num, None, "not CSV", str(error))
                continue
            if values is None:
                return
            yield _csv_row(reader.line_num, values)


def _csv_row(number: int, values: dict[Any, Any]) -> Row:
    if None in values:
        return Row(number, None, "more fields than columns", str(values.pop(None)))
    return Row(number, values)


def _read_parquet(path: Path, place: str) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            number = 0
            for batch in file.iter_batches(BATCH, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values, encodable=True)
    except pa.ArrowException as error:
        raise not_parquet(path, place, error) from None


def not_parquet(path: Path, place: str, error: Exception) -> UserError:
    """What is said of a file that is named like Parquet and is none."""
    return UserError(place, f"{path} is not Parquet ({_first_line(error)})", "write the file again")


def _hub_id(source: str, split: str) -> tuple[str, str]:
    name, _, chosen = source.removeprefix(HUB).partition(":")
    if not name:
        raise UserError(f"data.{split}", f"{source!r} names no data set", "write such as hf:owner/name:split")
    return name, chosen or split


def _read_hub(source: str, split: str) -> Iterator[Row]:
    name, chosen = _hub_id(source, split)
    import datasets

    try:
        rows = datasets.load_dataset(name, split=chosen)
    # The library raises dozens of types here, and all of them mean that this data set cannot be had.
    except Exception as error:
        problem = f"cannot load data set {name!r}, split {chosen!r} ({_first_line(error)})"
        raise UserError(
            f"data.{split}", problem, "check its name, its split and the network, or name a file"
        ) from error
    for number, values in enumerate(rows, start=1):
        yield Row(number, values)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
