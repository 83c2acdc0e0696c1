"""How far a study has come."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bridge_distill.study.cells import StudyFile
from bridge_distill.study.work import failures, finished
from bridge_distill.teacher import owner_of
from bridge_distill.teacher.account import account
from bridge_distill.teacher.database import Database


def status_of(file: StudyFile) -> dict[str, Any]:
    """Cells that are ``done`` (with the student's accuracy), ``failed`` (and why) or ``waiting``; what was paid."""
    done, failed = finished(file), failures(file)
    rows = []
    for cell in file.cells:
        row: dict[str, Any] = dict(zip(("set", "arm", "budget", "seed"), cell.cell, strict=True))
        if cell.cell in done:
            right = done[cell.cell].right
            row |= {"state": "done", "accuracy": sum(right) / len(right)}
            row |= {"short": done[cell.cell].short, "failed": done[cell.cell].failed}
        elif cell.label in failed:
            row |= {"state": "failed", "error": failed[cell.label]}
        else:
            row |= {"state": "waiting"}
        rows.append(row)
    return {"study": file.study.name, "folder": str(file.folder), "cells": rows, "charged": _charged(file)}


def in_words(found: Mapping[str, Any]) -> str:
    """One line a cell, and the sum."""
    lines = [f"study {found['study']} in {found['folder']}"]
    for row in found["cells"]:
        name = f"{row['set']}, {row['arm']}, {row['budget']}, seed {row['seed']}"
        lines.append(f"  {name:44} {row['state']:8} {_details(row)}".rstrip())
    states = [row["state"] for row in found["cells"]]
    counted = ", ".join(f"{states.count(state)} {state}" for state in ("done", "failed", "waiting"))
    charged = found["charged"]
    return "\n".join([*lines, f"  {counted}; charged: {charged['queries']} requests, ${charged['usd']}"])


def _details(row: Mapping[str, Any]) -> str:
    if row["state"] != "done":
        return str(row.get("error", ""))
    short = f" (buying ended early: {row['short']})" if row["short"] else ""
    failed = f" (requests that brought no reply: {row['failed']})" if row["failed"] else ""
    return f"{100 * row['accuracy']:5.1f}%{short}{failed}"


def _charged(file: StudyFile) -> dict[str, Any]:
    """What the ledger has charged to this study's cells, failed attempts included."""
    store = file.cells[0].run.store
    assert store is not None  # the run file's reader filled it in
    if not store.exists():
        return {"queries": 0, "usd": "0.000000"}
    with Database.reading(store) as database:
        runs = [row for row in account(database)["runs"] if owner_of(row["run"]) == file.study.name]
    return {
        "queries": sum(row["queries"] for row in runs),
        "usd": f"{sum((Decimal(row['usd']) for row in runs), Decimal(0)):.6f}",
    }
