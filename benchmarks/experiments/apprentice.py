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
from bases import shallow
from bridge_distill import artifacts, evaluation, improving, pipeline
from bridge_distill.assistant.strategies import with_strategies
from bridge_distill.engine.stage import read_record
from bridge_distill.errors import UserError
from bridge_distill.kinds import kinds
from bridge_distill.records import Rationale
from bridge_distill.runfile import RunFile
from cells import Cell, cells

FEW, ALL = 0.05, 1.0
SETS = ("practice-legal", "legal_diversity", "practice-financial", "tatqa_arith")
SEEDS = range(3)
FIGURES = ("paid", "paid_output_tokens", "majority", "tuning_seconds", "explaining_seconds", "strategies")


def measured(cell: Cell, scale: Scale, work: Path) -> dict[str, Any]:
    """The assistant's answers, right or wrong, and how it came about; weights go once nothing needs them."""
    file = run_file(cell, scale, work)
    run = file.run.runs / file.run.name
    stages = rounds_of(cell.method)
    for stage in stages:
        if not (run / "tested" / stage / artifacts.VERDICTS).exists():
            if cell.method == "joint":
                pipeline.execute(file, [], "teach", Path(__file__).name)
                _require_strategies(file, run)
            pipeline.execute(file, [], stage, Path(__file__).name)
            _grade(file, stage, run)
    if stages[-1] == "assistant":
        for weights in run.rglob("*.safetensors"):
            weights.unlink()
    return _cost(file, run, stages[-1]) | {
        "majority": round(read_record(run / "data")["figures"]["majority"], 4),
        "strategies": sum(row.strategy is not None for row in _learnt(file, run)),
        "values": [verdict.correct for verdict in artifacts.verdicts(run / "tested" / stages[-1])],
    }


def _cost(file: RunFile, run: Path, stage: str) -> dict[str, Any]:
    """What was paid up to a tuned assistant, and the seconds of every stage that tuned or explained for it."""
    assert file.run.assistant is not None
    tuned = improving.tuned_names(file.run.assistant)
    tuned = tuned[: tuned.index(stage) + 1]
    explained = [read_record(run / name) for name in improving.explaining(file.run.assistant)[: len(tuned) - 1]]
    replies = artifacts.replies(run / "teach")
    return {
        "paid": len(replies),
        "paid_output_tokens": sum(reply.output_tokens for reply in replies),
        "tuning_seconds": round(sum(read_record(run / name)["seconds"] for name in tuned)),
        "explaining_seconds": round(sum(record["seconds"] for record in explained)),
        "explained": explained[-1]["figures"] if explained else None,
    }


def _learnt(file: RunFile, run: Path) -> list[Rationale]:
    """The paid rationales as the assistant learns them."""
    paid = [row for row in artifacts.rationales(run / "teach") if row.kept]
    if file.run.assistant is None or file.run.assistant.strategies == "teacher":
        return paid
    questions = {question.id: question for question in artifacts.train_questions(run / "data")}
    return with_strategies(questions, paid, kinds, file.run.seed)


def _require_strategies(file: RunFile, run: Path) -> None:
    """Refuse what would be plain tuning again: rationales of which none has a strategy."""
    learnt = _learnt(file, run)
    if all(row.strategy is None for row in learnt):
        problem = f"none of {len(learnt)} rationales got a strategy, so that joint is plain"
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
        small = {"base": shallow(work, 2), "epochs": 1}
        scale = Scale(Sizes(20, 4), small, small, {"rounds": 3, "samples": 2, "epochs": 1}, 8)
        todo = [
            *cells([("practice-legal", FEW)], [0], [PLAIN, "tasks", IMPROVED[0]]),
            Cell("practice-legal", ALL, PLAIN, 0),
        ]
    against, ceiling = {"share": FEW, "method": PLAIN}, {"share": ALL, "method": PLAIN}
    return experiment.Study(todo, lambda cell: measured(cell, scale, work), against, ceiling, FIGURES)


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "apprentice", study)
