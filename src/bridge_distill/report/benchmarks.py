"""What standard benchmarks make of each model, by task and metric."""

from __future__ import annotations

from typing import Any

from bridge_distill.report.folder import MODELS, RunFolder, arm_key

HARNESS = "harness/"


def benchmarks(run: RunFolder) -> dict[str, dict[str, Any]]:
    """The tasks' figures of each model that was scored, then of each arm's student; empty where none was."""
    stages: list[tuple[str, str, str | None]] = [(name, HARNESS + name, None) for name in MODELS]
    stages += [(arm_key(arm), f"{HARNESS}student", arm) for arm in run.arms]
    found = {key: run.figures(stage, arm).get("tasks") for key, stage, arm in stages}
    return {key: tasks for key, tasks in found.items() if tasks}


def shown(summary: dict[str, Any], labels: dict[str, str]) -> dict[str, Any] | None:
    """The table of a page: a column a model, a row a task and metric; None where nothing was scored."""
    found = summary.get("harness")
    if not found:
        return None
    metrics = {
        (task, metric): each for tasks in found.values() for task, each in tasks.items() for metric in each["metrics"]
    }
    return {
        "models": [labels.get(key, key) for key in found],
        "rows": [
            {
                "task": task,
                "metric": metric,
                "n": each["n"],
                "shots": each["shots"],
                "cells": [_cell(tasks.get(task, {}).get("metrics", {}).get(metric)) for tasks in found.values()],
            }
            for (task, metric), each in metrics.items()
        ],
    }


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    error = found["error"]
    return f"{found['value']:.3f}" + (f" ± {error:.3f}" if error is not None else "")
