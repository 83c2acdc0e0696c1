"""``bridge-distill select``: choose rows of a file, without a run, a model or a teacher."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge_distill.amounts import count_of
from bridge_distill.cli_options import (
    AsJson,
    Budget,
    Columns,
    Embeddings,
    Force,
    Seed,
    Settings,
    Threads,
    read_pairs,
    read_settings,
)
from bridge_distill.errors import UserError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge_distill.selection.contract import Pool
    from bridge_distill.table import Table

FIELDS = ("id", "domain", "difficulty")
Target = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Embeddings (.npy) of questions to be like, for rds.")
]
Weighted = Annotated[str | None, typer.Option(metavar="SOURCE", help="Position-weighted embeddings, for rds.")]
Taken = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Rows chosen earlier, by id: covered, and not chosen again.")
]


def select(
    pool: Annotated[Path, typer.Option(metavar="FILE", help="Questions, a row each: .jsonl or .parquet.")],
    budget: Budget,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Chosen rows, best first: .jsonl or .parquet.")],
    method: Annotated[str, typer.Option(metavar="NAME", help="Selection method (docs/selection.md).")] = "stratified",
    column: Columns = None,
    embeddings: Embeddings = None,
    target: Target = None,
    weighted: Weighted = None,
    taken: Taken = None,
    set_: Settings = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Choose the rows of a file that are worth paying for. Needs embeddings for most methods, and computes none.

    The columns id, domain and difficulty (0 to 1) are used where there are such; --column names others.
    """
    from bridge_distill.outfile import check_out
    from bridge_distill.selection.parallel import usable_threads
    from bridge_distill.selection.ranking import check_needs, make_selector, rank
    from bridge_distill.table import SUFFIXES, Table

    check_out(out, SUFFIXES, force, pool, "pool")
    selector = make_selector(method, read_settings(set_), seed, threads or usable_threads())
    table, fields = Table(pool, "--pool"), _fields(column)
    found = _pool(table, fields, {"embeddings": embeddings, "weighted": weighted}, target)
    check_needs(method, found.known)
    if taken is not None:
        found = replace(found, taken=_taken(taken, found, fields.get("id", "id")))
    picks = rank(selector, found, count_of(budget, len(table)))
    table.write(out, picks)
    figures = {"pool": len(table), "chosen": len(picks), "method": method, "out": str(out)}
    typer.echo(json.dumps(figures) if as_json else f"{len(picks)} of {len(table)} rows chosen by {method}: {out}")


def _fields(column: list[str] | None) -> dict[str, str]:
    """The columns that were named, by field."""
    found = read_pairs("--column", column)
    for field, name in found.items():
        if field not in FIELDS:
            raise UserError(f"--column {field}={name}", f"{field!r} is no field of a row", nearest(field, FIELDS))
    return found


def _pool(table: Table, columns: dict[str, str], vectors: dict[str, str | None], target: Path | None) -> Pool:
    """What the file and its options tell of the questions; a column with a usual name is found by itself."""
    from bridge_distill.selection.contract import Pool
    from bridge_distill.table import read_npy

    names = {field: columns.get(field) or (field if field in table.names else None) for field in FIELDS}
    option = {field: f"--column {field}={name}" for field, name in names.items()}
    space = {
        name: None if source is None else table.vectors(source, f"--{name} {source}")
        for name, source in vectors.items()
    }
    used = [name for name in (names["id"], names["difficulty"], *vectors.values()) if name is not None]
    return Pool(
        range(len(table)) if names["id"] is None else _ids(table, names["id"], option["id"]),
        space["embeddings"],
        None if names["difficulty"] is None else table.numbers(names["difficulty"], option["difficulty"]),
        None if names["domain"] is None else table.texts(names["domain"], option["domain"]),
        table.signals(without=used),
        None if target is None else read_npy(target, f"--target {target}"),
        space["weighted"],
    )


def _ids(table: Table, name: str, place: str) -> list[str]:
    """A column of ids; raises ``UserError`` for a row that has none."""
    found = table.texts(name, place)
    ids = [text for text in found if text is not None]
    if len(ids) < len(found):
        raise UserError(place, f"row {found.index(None)} has no id", "give it one, or remove the row")
    return ids


def _taken(path: Path, pool: Pool, id_: str) -> NDArray[np.int64]:
    """The rows of the pool whose ids a file holds, in the file's order."""
    import numpy as np

    from bridge_distill.table import Table

    if isinstance(pool.ids, range):
        cure = "name their column with --column id=NAME"
        raise UserError(f"--taken {path}", "names rows by id, and this pool has none", cure)
    row = {name: at for at, name in enumerate(pool.ids)}
    names = _ids(Table(path, "--taken"), id_, f"--taken {path}")
    unknown = next((name for name in names if name not in row), None)
    if unknown is not None:
        raise UserError(f"--taken {path}", f"holds {unknown!r}, which is no id of the pool", "give rows of this pool")
    return np.array([row[name] for name in names], dtype=np.int64)
