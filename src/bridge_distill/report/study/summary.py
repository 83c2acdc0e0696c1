"""A study's figures as one JSON object: each arm at each budget, and what sets it apart from the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.report.study.folder import Answers, StudyFolder, open_study
from bridge_distill.statistics import Estimate, accuracy, closed, difference, holm, ratio
from bridge_distill.statistics.estimates import Groups

LEVEL = 0.05
# Who is asked: in what form, how often and how warm changes no expert.
TEACHER = ("provider", "model", "base_url", "error_rate")
LEDGER = ("steps", "tokens", "parameters", "assistant_seconds", "calls", "input_tokens", "output_tokens")


def summarise_study(folder: Path, reference: str | None = None) -> dict[str, Any]:
    """Summarise a study, finished or not; ``reference`` is the arm to compare with, that of the study where left out.

    Accuracies (those ``beside`` a student's are its assistant's and guides', also for each seed), ratios and ``closed``
    (the share of the way from the untuned base to the teacher) are shares from 0 to 1; differences are percentage
    points with Holm's p over all of the study's comparisons, and ``resolved`` where that is at most 0.05. What a cell
    took is the mean over its seeds; ``failed`` counts requests that brought no reply, the most of any seed. Raises
    ``UserError`` where the folder holds no study.
    """
    return summary_of(open_study(folder, reference))


def summary_of(study: StudyFolder) -> dict[str, Any]:
    """Summarise an opened study, as ``summarise_study`` does."""
    sets = {name: _set(study, name) for name in study.sets}
    compared = [row["difference"] for found in sets.values() for row in found["arms"] if row["difference"]]
    for row, corrected in zip(compared, holm([row["p"] for row in compared]), strict=True):
        row |= {"holm": corrected, "resolved": corrected <= LEVEL}
    return {
        "name": study.facts["name"],
        "reference": study.reference,
        "cells": {"planned": len(study.cells), "done": len(study.lines), "failed": study.failed},
        "comparisons": len(compared),
        "sets": sets,
    }


def _set(study: StudyFolder, name: str) -> dict[str, Any]:
    """One data set: its questions, what needs no training, and its arms."""
    arms, groups = study.of(name), study.groups(name)
    goals = _goals(study, name, arms)
    base = next((found.base for found in arms if found.base is not None), None)
    return {
        "questions": len(arms[0].right[0]),
        "contexts": None if groups is None else len(np.unique(groups)),
        "majority": arms[0].lines[0]["majority"],
        "teacher": next(iter(goals.values())) if len(goals) == 1 else None,
        "base": None if base is None else asdict(accuracy(base[:1], groups)),
        "arms": [_row(study, found, arms, groups, goals[_teacher(study, name, found.arm)]) for found in arms],
    }


def _goals(study: StudyFolder, name: str, arms: Sequence[Answers]) -> dict[tuple[Any, ...], float | None]:
    """The share of each teacher's paid replies that agree with gold; None where none was bought, or gold is unknown."""
    lines: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for found in arms:
        lines.setdefault(_teacher(study, name, found.arm), []).extend(found.lines)
    return {teacher: _agreement(paid) for teacher, paid in lines.items()}


def _teacher(study: StudyFolder, name: str, arm: str) -> tuple[Any, ...]:
    settings = study.facts["config"].get(f"{name}, {arm}", {}).get("teacher", {})
    return tuple(settings.get(key) for key in TEACHER)


def _agreement(lines: Sequence[dict[str, Any]]) -> float | None:
    """The mean of ``teacher_right`` over replies."""
    known = [line for line in lines if line["teacher_right"] is not None]
    calls = sum(line["calls"] for line in known)
    return sum(line["teacher_right"] * line["calls"] for line in known) / calls if known else None


def _row(
    study: StudyFolder, found: Answers, arms: Sequence[Answers], groups: Groups, goal: float | None
) -> dict[str, Any]:
    base = found.base
    way = None if base is None or goal is None else closed(found.right, base, goal, groups)
    return {
        "arm": found.arm,
        "budget": found.budget,
        "reference": found.arm == study.reference,
        "seeds": found.seeds,
        "accuracy": _plain(accuracy(found.right, groups)),
        **_against(found, _reference(study, found, arms), groups),
        "beside": {
            name: {**_plain(accuracy(right, groups)), "by_seed": [float(one.mean()) for one in right]}
            for name, right in found.beside.items()
        },
        "closed": None if way is None else _plain(way),
        "teacher": goal,
        "ledger": _ledger(found.lines),
        "short": sorted({line["short"] for line in found.lines if line["short"] is not None}),
        # Lines from before they were counted have none.
        "failed": max(line.get("failed") or 0 for line in found.lines),
    }


def _reference(study: StudyFolder, found: Answers, arms: Sequence[Answers]) -> Answers | None:
    """The reference at the same budget, else where it has only one; None for itself, or without a seed in common."""
    known = [other for other in arms if other.arm == study.reference]
    at = [other for other in known if other.budget == found.budget] or (known if len(known) == 1 else [])
    if found.arm == study.reference or not at or not set(found.seeds) & set(at[0].seeds):
        return None
    return at[0]


def _against(found: Answers, reference: Answers | None, groups: Groups) -> dict[str, Any]:
    """The difference to the reference in points and as a ratio, over the seeds that both have."""
    if reference is None:
        return {"difference": None, "ratio": None}
    seeds = [seed for seed in found.seeds if seed in reference.seeds]
    ours, theirs = found.at(seeds), reference.at(seeds)
    gap, times = difference(ours, theirs, groups), ratio(ours, theirs, groups)
    in_points = {key: None if value is None else 100 * value for key, value in asdict(gap).items() if key != "p"}
    points = in_points.pop("value")
    place = {"reference_budget": reference.budget, "seeds": seeds}
    return {
        "difference": {"points": points, **in_points, "p": gap.p, **place},
        "ratio": None if times is None else _plain(times),
    }


def _plain(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _ledger(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the student's making took, a mean over seeds; money as an exact string."""
    usd = sum((Decimal(line["usd"]) for line in lines), Decimal(0)) / len(lines)
    return {
        **{key: _mean([line[key] for line in lines]) for key in LEDGER},
        "seconds": _mean([sum(line["seconds"].values()) for line in lines]),
        "usd": f"{usd:.6f}",
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
