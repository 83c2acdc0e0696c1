"""What of a run is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge_distill.engine.stage import PENDING, RECORD, read_record
from bridge_distill.errors import UserError


def status_of(run: Path) -> dict[str, Any]:
    """Stages of a run and its arms, ``done`` (with seconds and figures), ``skipped``, ``unfinished`` or ``waiting``."""
    try:
        description = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        raise UserError(str(run), "is not a run folder", "give one such as runs/legal") from None
    names = description["plan"]
    rows = [_row(run, "", stage, run / stage) for stage in names]
    for arm, stages in description["arms"].items():
        own = run / "arms" / arm
        rows += [_row(run, arm, stage, run / place) for stage, place in stages.items() if place.startswith("arms/")]
        rows += [
            _row(run, arm, stage, own / stage)
            for stage in names
            if (own / stage / PENDING).exists() and stage not in stages
        ]
    return {"run": description["name"], "stages": rows}


def in_words(found: dict[str, Any]) -> str:
    """One line a stage."""
    lines = [f"run {found['run']}"]
    for row in found["stages"]:
        name = f"{row['arm']}: {row['stage']}" if row["arm"] else row["stage"]
        lines.append(f"  {name:28} {row['state']:11}{_details(row)}")
    return "\n".join(lines)


def _row(run: Path, arm: str, stage: str, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"stage": stage, "arm": arm, "folder": folder.relative_to(run).as_posix()}
    if (folder / RECORD).exists():
        record = read_record(folder)
        if "skipped" in record:
            return {**row, "state": "skipped", "reason": record["skipped"]}
        return {**row, "state": "done", "seconds": record["seconds"], "figures": record["figures"]}
    return {**row, "state": "unfinished" if (folder / PENDING).exists() else "waiting"}


def _details(row: dict[str, Any]) -> str:
    if row["state"] != "done":
        return str(row.get("reason", ""))
    shown = {key: value for key, value in row["figures"].items() if isinstance(value, int | float | str)}
    figures = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items()
    )
    return f"{row['seconds']:7.0f} s  {figures[:120]}"
