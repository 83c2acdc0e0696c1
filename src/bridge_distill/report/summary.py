"""A run's figures as one JSON object: what each model scores, what it cost, what was kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.records import Rationale
from bridge_distill.report.benchmarks import benchmarks
from bridge_distill.report.bill import bill
from bridge_distill.report.folder import Graded, RunFolder, arm_key, graded, open_run, write_text
from bridge_distill.report.guides import under_guides
from bridge_distill.report.improvement import improvement
from bridge_distill.report.questions import new_questions
from bridge_distill.report.rounds import latest_curve
from bridge_distill.report.scores import difference, scores

COUNTS = ("train", "test", "rejected", "beyond_limit")
TRAINING = (
    "parameters",
    "trained_parameters",
    "trained_share",
    "megabytes",
    "shrunk",
    "examples",
    "too_long",
    "steps",
    "tokens",
)


def write_summary(run_folder: Path) -> Path:
    """Write ``summary.json`` into the run folder and return its path."""
    path = run_folder / "summary.json"
    write_text(path, json.dumps(summarise(run_folder), indent=2, ensure_ascii=False) + "\n")
    return path


def summarise(run_folder: Path) -> dict[str, Any]:
    """Summarise a run, finished or not: parts whose stages have not run are absent.

    Accuracies and their intervals are shares from 0 to 1; ``differences`` (the student minus each other model, by that
    model's name) are percentage points. Raises ``UserError`` where the folder holds no run.
    """
    run = open_run(run_folder)
    models = graded(run)
    data = run.figures("data")
    summary: dict[str, Any] = {
        "name": run.facts.get("name"),
        "questions": {key: data[key] for key in COUNTS if key in data},
        "majority": data.get("majority"),
        "models": {model.key: scores(model.verdicts, model.contexts) for model in models},
        "differences": _differences(models),
        "guides": under_guides(run),
        "harness": benchmarks(run),
        "chosen": _chosen(run),
        "teacher": bill(run),
        "rounds": latest_curve(run),
        "improvement": improvement(run),
        "rationales": _rationales(run),
        "new_questions": new_questions(run),
        "assistant": _training(run, "assistant"),
        "student": _training(run, "student"),
        "arms": {arm_key(arm): _arm(run, arm) for arm in run.arms if run.stages(arm)},
        "stages": {folder: _resources(record) for folder, record in run.records()},
    }
    return {key: value for key, value in summary.items() if value not in (None, {}, [])}


def _differences(models: Sequence[Graded]) -> dict[str, dict[str, Any]]:
    student = next((model for model in models if model.key == "student"), None)
    if student is None:
        return {}
    # An arm may be tested on other questions than the run; only those that both answered can be paired.
    pairs = {
        model.key: difference(student.verdicts, model.verdicts, student.contexts)
        for model in models
        if model is not student
    }
    return {key: found for key, found in pairs.items() if found is not None}


def _chosen(run: RunFolder, arm: str | None = None) -> int | None:
    folder = run.folder("select", arm)
    return None if folder is None else sum(choice.chosen for choice in artifacts.choices(folder))


def _rationales(run: RunFolder, arm: str | None = None) -> dict[str, Any]:
    authors = {"teach": "expert", "tutor": "assistant"}
    folders = {author: run.folder(stage, arm) for stage, author in authors.items()}
    found = {author: _funnel(folder, author) for author, folder in folders.items() if folder is not None}
    filters = run.figures("tutor", arm).get("filters")
    if filters and "assistant" in found:
        found["assistant"]["filters"] = filters
    return found


def _funnel(folder: Path, author: str) -> dict[str, Any]:
    # The tutor may pass the expert's rationales on beside its own, so each folder counts one author only.
    reasons: Counter[str | None] = Counter()
    traces: Counter[str] = Counter()
    for row in iterate_rows(folder / artifacts.RATIONALES, Rationale):
        if row.author == author:
            reasons[None if row.kept else row.reason] += 1
            if row.note is not None:
                traces[row.note or "as asked"] += 1
    written, kept = reasons.total(), reasons.pop(None, 0)
    found = {"written": written, "kept": kept, "dropped": dict(reasons.most_common())}
    return {**found, "traces": dict(traces.most_common())} if traces else found


def _training(run: RunFolder, stage: str, arm: str | None = None) -> dict[str, Any]:
    figures = run.figures(stage, arm)
    return {key: figures[key] for key in TRAINING if key in figures}


def _arm(run: RunFolder, arm: str) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "same_replies": run.shares("teach", arm),
        "assistant": "assistant" in run.stages(arm),
        "guides": under_guides(run, arm),
        "chosen": _chosen(run, arm),
        "teacher": bill(run, arm),
        "rounds": latest_curve(run, arm),
        "improvement": [] if run.shares("assistant", arm) else improvement(run, arm),
        "rationales": _rationales(run, arm),
        "new_questions": new_questions(run, arm),
        "student": _training(run, "student", arm),
    }
    return {key: value for key, value in parts.items() if value not in (None, {}, [])}


def _resources(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in ("seconds", "peak_memory_bytes") if record.get(key) is not None}
