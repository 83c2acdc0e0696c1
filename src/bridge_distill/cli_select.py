"""``bridge-distill select``: choose rows of a file, without a run, a model or a teacher."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from bridge_distill.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bridge_distill.selection.contract import Pick, Pool
    from bridge_distill.selection.table import Table
    from bridge_distill.selection.vectors import Floats


def select(
    pool: Annotated[Path, typer.Option(metavar="FILE", help="Questions, a row each: .jsonl or .parquet.")],
    budget: Annotated[str, typer.Option(metavar="N", help="How many to choose: a count, or a share such as 5%.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Chosen rows, best first: .jsonl or .parquet.")],
    method: Annotated[str, typer.Option(metavar="NAME", help="Selection method (docs/selection.md).")] = "bridge",
    embeddings: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="A .npy file of shape (rows, width), or a column of lists.")
    ] = None,
    difficulty: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Numbers from 0 to 1; the column difficulty where there is one."),
    ] = None,
    domain: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column domain where there is one.")] = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="The column id where there is one, else row numbers.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Embeddings (.npy) of questions to be like, for rds.")
    ] = None,
    weighted: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Position-weighted embeddings, for rds.")
    ] = None,
    taken: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows chosen earlier, by id: covered, and not chosen again.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="An option of the method, e.g. neighbours=64.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every draw.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all where left out.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")] = False,
) -> None:
    """Choose the rows of a file that are worth paying for. Needs embeddings for most methods, and computes none."""
    from bridge_distill.selection.parallel import usable_threads
    from bridge_distill.selection.ranking import check_needs, make_selector, rank
    from bridge_distill.selection.table import Table, write_table

    _check_out(out, pool, force)
    selector = make_selector(method, _options(set_ or []), seed, threads or usable_threads())
    table = Table(pool)
    columns = {"embeddings": embeddings, "difficulty": difficulty, "domain": domain, "id": id_, "weighted": weighted}
    found = _pool(table, columns, target)
    check_needs(method, found.known)
    if taken is not None:
        found = replace(found, taken=_taken(taken, found, id_ or "id"))
    picks = rank(selector, found, _count(budget, len(table)))
    write_table(out, _chosen(table, picks))
    figures = {"pool": len(table), "chosen": len(picks), "method": method, "out": str(out)}
    typer.echo(json.dumps(figures) if as_json else f"{len(picks)} of {len(table)} rows chosen by {method}: {out}")


def _pool(table: Table, columns: dict[str, str | None], target: Path | None) -> Pool:
    """What the file and its options tell of the questions; a column with a usual name is found by itself."""
    from bridge_distill.selection.contract import Pool
    from bridge_distill.selection.table import read_npy

    def named(option: str) -> str | None:
        return columns[option] or (option if option in table.names else None)

    def vectors(option: str) -> Floats | None:
        source = columns[option]
        return None if source is None else table.vectors(source, f"--{option}")

    ids, hard, domain = named("id"), named("difficulty"), named("domain")
    taken = [name for name in (ids, hard, columns["embeddings"], columns["weighted"]) if name is not None]
    return Pool(
        range(len(table)) if ids is None else [str(value) for value in table.values(ids, "--id")],
        vectors("embeddings"),
        None if hard is None else table.numbers(hard, "--difficulty"),
        None if domain is None else table.texts(domain, "--domain"),
        table.signals(without=taken),
        None if target is None else read_npy(target, "--target"),
        vectors("weighted"),
    )


def _taken(path: Path, pool: Pool, id_: str) -> NDArray[np.int64]:
    """The rows of the pool whose ids a file holds, in the file's order."""
    import numpy as np

    from bridge_distill.selection.table import Table

    if isinstance(pool.ids, range):
        raise UserError(f"--taken {path}", "names rows by id, and this pool has none", "name a column with --id")
    row = {name: at for at, name in enumerate(pool.ids)}
    names = Table(path, "--taken").texts(id_, f"--taken {path}")
    unknown = next((name for name in names if name not in row), None)
    if unknown is not None:
        raise UserError(f"--taken {path}", f"holds {unknown!r}, which is no id of the pool", "give rows of this pool")
    return np.array([row[str(name)] for name in names], dtype=np.int64)


def _chosen(table: Table, picks: list[Pick]) -> list[dict[str, Any]]:
    """The chosen rows as they were, with rank, gain and reason beside."""
    from bridge_distill.selection.table import GAIN, RANK, REASON

    rows = table.take([pick.index for pick in picks])
    for place, (row, pick) in enumerate(zip(rows, picks, strict=True)):
        row.update({RANK: place, GAIN: pick.gain, REASON: pick.reason})
    return rows


def _check_out(out: Path, pool: Path, force: bool) -> None:
    from bridge_distill.selection.table import SUFFIXES

    place = f"--out {out}"
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(place, "has no known suffix", f"end it with {' or '.join(SUFFIXES)}")
    if out.resolve() == pool.resolve():
        raise UserError(place, "is the pool itself", "give another name")
    if out.exists() and not force:
        raise UserError(place, "is there already", "give another name, or add --force")
    if not out.parent.is_dir():
        raise UserError(place, f"{out.parent} is no folder", "make it first")


def _options(texts: list[str]) -> dict[str, Any]:
    """``a.b=value`` pairs as a tree, values read as YAML."""
    tree: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or not key.strip():
            raise UserError(f"--set {text}", "has no value", "write --set neighbours=64")
        *sections, last = key.strip().split(".")
        here = tree
        for section in sections:
            here = here.setdefault(section, {})
            if not isinstance(here, dict):
                raise UserError(f"--set {text}", f"{section!r} is a value, not a section", "shorten the key")
        try:
            here[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {text}", f"{value!r} is not a YAML value", "quote it") from None
    return tree


def _count(budget: str, pool: int) -> int:
    text = budget.strip()
    try:
        amount = float(text.removesuffix("%"))
        share = text.endswith("%")
        if amount <= 0 or (share and amount > 100) or (not share and amount != int(amount)):
            raise ValueError
    except (ValueError, OverflowError):
        cure = "give a whole count above 0, or a share such as 5%"
        raise UserError(f"--budget {budget}", "is no budget", cure) from None
    return max(1, int(pool * amount / 100)) if share else int(amount)
