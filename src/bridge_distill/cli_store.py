"""The commands on the store: what was spent, what is open, and replies that move from one store to another."""

from __future__ import annotations

import contextlib
import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge_distill.errors import UserError, nearest

ledger_app = typer.Typer(no_args_is_help=True, help="Say what was spent, and close what is open.")
replies_app = typer.Typer(no_args_is_help=True, help="Move paid replies from one store to another.")

StorePath = Annotated[Path, typer.Argument(metavar="PATH", help="Run file (YAML), or the store's file itself.")]
OneRun = Annotated[str | None, typer.Option("--run", metavar="NAME", help="Of this run only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
_OPEN = ("path", "open", "under_way", "batches", "accept_rest")


@ledger_app.command("show")
def ledger_show(
    path: StorePath,
    run: OneRun = None,
    open_: Annotated[bool, typer.Option("--open", help="Only what is open, all of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what was charged to whom, what was planned, and what is open with the commands that close it."""
    from bridge_distill.place import find_place
    from bridge_distill.teacher.account_words import in_words, open_in_words

    place = find_place(path)
    if not place.store.exists():
        _print({"path": str(place.store), "bought": False}, f"{place.store}: nothing was bought yet", as_json)
        return
    with place.reading() as database:
        found = place.account(database, run)
    if open_:
        _print({name: found[name] for name in _OPEN}, open_in_words(found), as_json)
    else:
        _print(found, in_words(found), as_json)


@ledger_app.command("export")
def ledger_export(
    path: StorePath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write: .jsonl or .csv.")],
    force: Force = False,
) -> None:
    """Write every attempt as a row, money as exact strings."""
    from bridge_distill.outfile import check_out, new_file
    from bridge_distill.place import find_place
    from bridge_distill.teacher.account import FIELDS, attempts

    place = find_place(path)
    check_out(out, (".jsonl", ".csv"), force, place.store, "store")
    with place.reading() as database, new_file(out) as stream, contextlib.closing(attempts(database)) as rows:
        if out.suffix == ".csv":
            writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
            writer.writeheader()
            number = sum(bool(writer.writerow(row)) for row in rows)
        else:
            number = sum(bool(stream.write(json.dumps(row) + "\n")) for row in rows)
    typer.echo(f"{out}: {number} attempts")


@ledger_app.command("reconcile")
def ledger_reconcile(
    path: StorePath,
    run: OneRun = None,
    billed: Annotated[
        list[str] | None, typer.Option(metavar="ID=IN,OUT", help="Tokens that an attempt was billed for.")
    ] = None,
    not_billed: Annotated[list[int] | None, typer.Option(metavar="ID", help="Attempt that was not billed.")] = None,
    accept_rest: Annotated[bool, typer.Option("--accept-rest", help="Close all others at their worst case.")] = False,
    host_gone: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Host on which no process works on the store any more.")
    ] = None,
    give_up: Annotated[
        list[str] | None, typer.Option(metavar="BATCH", help="Batch that can never be collected.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Close what is open: with a run file by asking the provider first, then by your word, all of it or none."""
    from bridge_distill.place import find_place
    from bridge_distill.teacher.account_words import passed, reconciled_in_words
    from bridge_distill.teacher.database import Database
    from bridge_distill.teacher.giving_up import prepare
    from bridge_distill.teacher.ledger import Ledger
    from bridge_distill.teacher.reconcile import ask_providers, read_words, take_words

    place, words = find_place(path), read_words(billed or [], not_billed or [])
    with place.reading() as database:
        place.check_run(database, run)
    with Database(place.store) as database:
        ledger = Ledger(database)
        prepare(ledger, host_gone or [], give_up or [], words, run)
        asked = ask_providers(place.teachers(), database, run)
        left = [word for word in words if word.attempt not in asked.settled]
        closed = take_words(ledger, left, accept_rest, run)
        found = place.account(database, run)
    done = {"provider": asdict(asked), "user": asdict(closed), "passed": passed(found)}
    result = {**done, **{name: found[name] for name in _OPEN}}
    _print(result, reconciled_in_words(done, found), as_json)


@replies_app.command("export")
def replies_export(
    path: StorePath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write: .jsonl.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Of this model only.")] = None,
    run: OneRun = None,
    force: Force = False,
) -> None:
    """Write every reply as a line of JSON: request, text, tokens and what it cost."""
    from bridge_distill.outfile import check_out, new_file
    from bridge_distill.place import find_place
    from bridge_distill.teacher.exchange import models_of, reply_lines

    place = find_place(path)
    check_out(out, (".jsonl",), force, place.store, "store")
    with place.reading() as database:
        place.check_run(database, run)
        if model is not None and model not in (models := models_of(database)):
            raise UserError(f"--model {model}", "has no reply in this store", nearest(model, models))
        with new_file(out) as stream, contextlib.closing(reply_lines(database, model, run)) as lines:
            number = sum(bool(stream.write(line)) for line in lines)
    typer.echo(f"{out}: {number} replies")


@replies_app.command("import")
def replies_import(
    path: StorePath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of exported replies (.jsonl).")],
    as_json: AsJson = False,
) -> None:
    """Enter replies that were paid for elsewhere; they are never paid for again. Exits with 1 where rows are bad."""
    from bridge_distill.place import find_place
    from bridge_distill.teacher.database import Database
    from bridge_distill.teacher.exchange import import_replies

    place = find_place(path)
    if not file.is_file():
        raise UserError(str(file), "is no file", "give a file that bridge-distill replies export wrote")
    if place.store.exists():
        with place.reading():  # a file of another program is refused before anything is changed
            pass
    with Database(place.store) as database:
        counts = import_replies(database, file, lambda line: typer.echo(line, err=True))
    words = f"{counts.new} replies imported, {counts.known} known already, {counts.bad} bad rows"
    _print(asdict(counts), words, as_json)
    if counts.bad:
        raise typer.Exit(1)


def _print(found: dict[str, Any], words: str, as_json: bool) -> None:
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else words)
