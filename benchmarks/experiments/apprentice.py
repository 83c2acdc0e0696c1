"""How well the assistant answers after each way of learning from few paid rationales, and after all of them.

A cell is a run: 5% of a pool of 400 is drawn at random and paid, the assistant is tuned as its run file says, and the
test questions are development questions, held out of the training split. Runs lie in the work folder and go on where
they were stopped; ``improved 1`` to ``improved 3`` are the rounds of one run, whose
assistants but the last also learn what a hint is. The ceiling is ``plain`` at 100%.

    [BRIDGE_DATA=folder] python apprentice.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import experiment
from apprentice_runs import HIERARCHICAL, IMPROVED, PLAIN, Scale, rounds_of, run_file
from apprentice_sets import PRACTICE, Sizes
from bridge_distill import artifacts, evaluation, pipeline
from bridge_distill.assistant.strategies import with_strategies
from bridge_distill.engine.stage import read_record
from bridge_distill.errors import UserError
from bridge_distill.kinds import kinds
from bridge_distill.runfile import RunFile
from cells import Cell, cells

FEW, ALL = 0.05, 1.0
SETS = ("practice-legal", "legal_diversity", "practice-financial", "tatqa_arith")
SEEDS = range(3)
FIGURES = ("paid", "majority", "tuning_seconds", "explaining_seconds", "strategies")


def measured(cell: Cell, scale: Scale, work: Path) -> dict[str, Any]:
    """The assistant's answers, right or wrong, and how it came about; weights go once nothing needs them."""
    file = run_file(cell, scale, work)
    run = file.run.runs / file.run.name
    stages = rounds_of(cell.method)
    for stage in stages:
        if not (run / "tested" / stage / artifacts.VERDICTS).exists():
            if cell.method == "joint":
                _require_strategies(file, run)
            pipeline.execute(file, [], stage, Path(__file__).name)
            _grade(file, stage, run)
    if stages[-1] == "assistant":
        for weights in run.rglob("*.safetensors"):
            weights.unlink()
    explain = f"improve-{len(stages)}/explain" if cell.method in IMPROVED else None
    names = ("data", "teach", stages[-1], *([explain] if explain else []))
    made = {name: read_record(run / name) for name in names}
    traces = made[stages[-1]]["figures"].get("traces", {})
    return {
        "paid": made["teach"]["figures"]["replies"],
        "majority": round(made["data"]["figures"]["majority"], 4),
        "tuning_seconds": round(made[stages[-1]]["seconds"]),
        "explaining_seconds": round(made[explain]["seconds"]) if explain else 0,
        "explained": made[explain]["figures"] if explain else None,
        "strategies": sum(count for note, count in traces.items() if not note.startswith("flat")),
        "values": [verdict.correct for verdict in artifacts.verdicts(run / "tested" / stages[-1])],
    }


def _require_strategies(file: RunFile, run: Path) -> None:
    """Refuse what would be plain tuning again: flat rationales whose kinds have no common plan."""
    settings = file.run.assistant
    if settings is None or settings.strategies != "clusters":
        return
    pipeline.execute(file, [], "teach", Path(__file__).name)
    questions = {question.id: question for question in artifacts.train_questions(run / "data")}
    paid = [row for row in artifacts.rationales(run / "teach") if row.kept]
    if all(row.strategy is None for row in with_strategies(questions, paid, kinds, file.run.seed)):
        problem = f"none of {len(paid)} rationales got a strategy, so that joint is plain"
        raise UserError("assistant.strategies", problem, "pay for hierarchical traces")


def _grade(file: RunFile, stage: str, run: Path) -> None:
    settings, folder = file.run, run / "tested" / stage
    assert settings.assistant is not None
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    questions = artifacts.test_questions(run / "data")
    model, levels = str(run / stage / artifacts.MODEL), settings.assistant.levels
    evaluation.grade(settings.evaluate, "assistant", model, questions, folder, scratch, settings.compute, levels)


def plan() -> Iterator[Cell]:
    """Seed by seed: what is cheap for every set, then the ceiling and the rounds of improvement."""
    sets = [name for name in SETS if name.startswith(PRACTICE) or "BRIDGE_DATA" in os.environ]
    few = [(name, FEW) for name in sets]
    for seed in SEEDS:
        yield from cells(few, [seed], [PLAIN, *HIERARCHICAL])
        for name in sets:
            yield Cell(name, ALL, PLAIN, seed)
            yield from (Cell(name, FEW, method, seed) for method in IMPROVED)


def study(quick: bool, work: Path) -> experiment.Study:
    scale, todo = Scale(), list(plan())
    if quick:
        small = {"shrink": {"layers": 2, "vocabulary": "task"}, "epochs": 1}
        scale = Scale(Sizes(20, 4), small, small, {"rounds": 3, "samples": 2, "epochs": 1}, 8)
        todo = [
            *cells([("practice-legal", FEW)], [0], [PLAIN, "tasks", IMPROVED[0]]),
            Cell("practice-legal", ALL, PLAIN, 0),
        ]
    against, ceiling = {"share": FEW, "method": PLAIN}, {"share": ALL, "method": PLAIN}
    return experiment.Study(todo, lambda cell: measured(cell, scale, work), against, ceiling, FIGURES)


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "apprentice", study)
