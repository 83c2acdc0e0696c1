"""What the ledger says to a person or a machine: totals, plans, what is open and what may still come."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Generator
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.config import Budget, Teacher
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question
from bridge_distill.teacher.batch_books import open_batches
from bridge_distill.teacher.budget import LEVELS, Caps, Limits, Spend, dollars, payer_of, resolve_limits, shown
from bridge_distill.teacher.database import Database
from bridge_distill.teacher.interrupted import INTERRUPTED
from bridge_distill.teacher.ledger import Ledger
from bridge_distill.teacher.owner import host_of, is_alive
from bridge_distill.teacher.prices import tariff_of
from bridge_distill.teacher.reconcile import can_be_asked
from bridge_distill.teacher.survey import nominal

UNITS = ("queries", "input_tokens", "output_tokens", "usd")
# What is exported of an attempt, in this order.
FIELDS = (
    *("id", "time", "run", "study", "model", "request_hash", "outcome", "note"),
    *("queries", "input_tokens", "output_tokens", "usd"),
    *("worst_input_tokens", "worst_output_tokens", "worst_usd"),
    *("price_input", "price_output", "price_share", "price_source", "batch", "batch_id"),
)
_ATTEMPTS = """SELECT a.*, b.name AS batch_name, b.provider_id AS batch_id
    FROM attempts a LEFT JOIN batches b ON b.id = a.batch ORDER BY a.id"""


def account(database: Database, run: str | None = None) -> dict[str, Any]:
    """What is charged to whom, what was planned, and what is open, of one run or of all that share the store.

    Money is an exact string in USD. ``runs`` has a row for each run and study that it was charged to, and
    the total of the store is always that of all its runs.
    """
    with database.transaction():
        runs = _runs(database, run)
        studies = sorted({row["study"] for row in runs} - {""})
        return {
            "store": {**_sum(database, "1"), "replies": database.rows("SELECT count(*) FROM replies")[0][0]},
            "studies": {study: _sum(database, "study = ?", study) for study in studies},
            "runs": runs,
            "plans": _plans(database, run),
            "open": [_open(row) for row in Ledger(database).open_attempts(run)],
            "under_way": _under_way(database, run),
            "batches": [_batch(row) for row in open_batches(database) if run in (None, row["run"])],
        }


def runs_of(database: Database) -> list[str]:
    """Every run that the store knows."""
    query = "SELECT run FROM attempts UNION SELECT run FROM plans ORDER BY 1"
    return [row["run"] for row in database.rows(query)]


def caps(teacher: Teacher, budget: Budget, data: Path | None, database: Database, run: str) -> dict[str, Any]:
    """A run's caps at each level and which of them (such as ``budget.study.usd``) are passed by what is charged.

    Shares are in numbers where the frozen ``data`` is there to be counted, else all caps stand as they are
    written and ``passed`` is None.
    """
    try:
        limits = resolve_limits(budget, *_pool(teacher, budget, data))
    except UserError:
        return {"run": run, "caps": _as_written(budget), "passed": None}
    found = {level: shown(limits.at(level)) for level in LEVELS if limits.at(level) != Caps()}
    return {"run": run, "caps": found, "passed": _passed(database, run, budget, limits)}


def attempts(database: Database) -> Generator[dict[str, Any], None, None]:
    """Every attempt, oldest first, as plain values; money is an exact string in USD. Holds one row at a time."""
    with database.transaction() as link:
        for row in link.execute(_ATTEMPTS):
            money = {name: dollars(row[f"{name}_micros"]) for name in ("usd", "worst_usd")}
            values = {**dict(row), **money, "batch": row["batch_name"]}
            yield {name: values[name] for name in FIELDS}


def _sum(database: Database, where: str, *values: str) -> dict[str, Any]:
    query = f"""SELECT coalesce(sum(queries), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
        coalesce(sum(usd_micros), 0) FROM totals WHERE {where}"""  # noqa: S608
    return shown(Spend(*database.rows(query, *values)[0]))


def _runs(database: Database, run: str | None) -> list[dict[str, Any]]:
    outcomes: dict[tuple[str, str], Counter[str]] = {}
    query = "SELECT run, study, outcome, count(*) AS number FROM attempts WHERE ? IN ('', run) GROUP BY 1, 2, 3"
    for row in database.rows(query, run or ""):
        outcomes.setdefault((row["run"], row["study"]), Counter())[row["outcome"]] = row["number"]
    return [
        {
            "run": name,
            "study": study,
            **_sum(database, "run = ? AND study = ?", name, study),
            "attempts": dict(sorted(found.items())),
        }
        for (name, study), found in sorted(outcomes.items())
    ]


def _plans(database: Database, run: str | None) -> list[dict[str, Any]]:
    """Every plan beside what was charged from then on, until the run's next plan."""
    plans = database.rows("SELECT run, time, plan FROM plans WHERE ? IN ('', run) ORDER BY run, time", run or "")
    found: list[dict[str, Any]] = []
    for index, row in enumerate(plans):
        plan = json.loads(row["plan"])
        mode = plan["modes"][plan["mode"]]
        later = plans[index + 1] if index + 1 < len(plans) and plans[index + 1]["run"] == row["run"] else None
        end = _sum(database, "run = ?", row["run"]) if later is None else json.loads(later["plan"])["spent"]["run"]
        found.append(
            {
                "run": row["run"],
                "time": row["time"],
                "model": plan["model"],
                "mode": plan["mode"],
                "requests": mode["requests"],
                "expected": mode["expected"],
                "worst": mode["worst"],
                "charged": _difference(end, plan["spent"]["run"]),
            }
        )
    return found


def _difference(end: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    change = {unit: Decimal(str(end[unit])) - Decimal(str(start[unit])) for unit in UNITS}
    return {unit: f"{value:.6f}" if unit == "usd" else int(value) for unit, value in change.items()}


def _open(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "time": row["time"],
        "run": row["run"],
        "model": row["model"],
        "outcome": row["outcome"],
        "worst": {
            "input_tokens": row["worst_input_tokens"],
            "output_tokens": row["worst_output_tokens"],
            "usd": dollars(row["worst_usd_micros"]),
        },
        "note": row["note"] or INTERRUPTED,
        "can_be_asked": can_be_asked(row),
    }


def _under_way(database: Database, run: str | None) -> list[dict[str, Any]]:
    """Attempts that a process may still settle, by process; ``here`` is False for one that cannot be seen from here."""
    query = """SELECT owner, count(*) AS number, min(time) AS since FROM attempts
        WHERE outcome = 'reserved' AND ? IN ('', run) GROUP BY owner ORDER BY since"""
    return [
        {
            "host": host_of(row["owner"]),
            "process": int(row["owner"].split(" ")[1]),
            "here": host_of(row["owner"]) == host_of(),
            "attempts": row["number"],
            "since": row["since"],
        }
        for row in database.rows(query, run or "")
        if is_alive(row["owner"])
    ]


def _batch(row: sqlite3.Row) -> dict[str, Any]:
    names = ("name", "time", "run", "provider", "model", "state", "provider_id", "attempts")
    return {**{name: row[name] for name in names}, "waited_for": is_alive(row["owner"])}


def _pool(teacher: Teacher, budget: Budget, data: Path | None) -> tuple[int, Any]:
    """The size of the frozen pool and what asking all of it would use; a pool that is not there has neither."""
    path = None if data is None else data / artifacts.TRAIN

    def whole() -> Spend:
        if path is None:
            raise UserError("data", "is not frozen yet", "run the data stage")
        return nominal(teacher, tariff_of(teacher, budget), iterate_rows(path, Question))

    return (0 if path is None else _count(path)), whole


def _count(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _as_written(budget: Budget) -> dict[str, dict[str, str | int | None]]:
    levels = {"run": budget, "study": budget.study, "store": budget.store}
    return {
        level: {unit: value if (value := getattr(found, unit)) is None else str(value) for unit in UNITS}
        for level, found in levels.items()
        if found is not None
    }


def _passed(database: Database, run: str, budget: Budget, limits: Limits) -> list[str]:
    ledger, payer = Ledger(database), payer_of(run, budget)
    found = []
    for level in LEVELS:
        total, place = ledger.total(payer, level), "budget" if level == "run" else f"budget.{level}"
        for name, cap in asdict(limits.at(level)).items():
            if cap is not None and getattr(total, name) > cap:
                found.append(f"{place}.{name.removesuffix('_micros')}")
    return found
