"""What a study would take before anything is computed or paid: cells, stages and their hours, and money."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill import data, rounds, teacher
from bridge_distill.config import Budget
from bridge_distill.engine.fingerprint import canonical
from bridge_distill.forecast import Pools
from bridge_distill.models.runtime import gemm_rate
from bridge_distill.operations import operations
from bridge_distill.study.cells import Cell, StudyFile
from bridge_distill.study.store import StageStore
from bridge_distill.study.work import finished


@dataclass(frozen=True)
class _Todo:
    """The stages of a study by key, the first cell of each, and where those that are done lie."""

    first: dict[str, tuple[Cell, str]]
    done: dict[str, Path]

    @classmethod
    def of(cls, file: StudyFile) -> _Todo:
        store, first, done = StageStore(file.folder), dict[str, tuple[Cell, str]](), dict[str, Path]()
        for cell in file.cells:
            for name, place in store.made(cell).items():
                done[cell.keys[name]] = place
            for name, key in cell.keys.items():
                first.setdefault(key, (cell, name))
        return cls(first, done)


def plan_study(file: StudyFile) -> dict[str, Any]:
    """Cells, stages (of all cells, ``distinct`` and ``done``), seconds by kind of stage, and money by data set.

    Stages that several cells share count once. ``seconds`` are of one worker, None for bases of unknown size. Pays
    nothing and creates no file.
    """
    todo = _Todo.of(file)
    with tempfile.TemporaryDirectory() as spare:
        pools = _PoolsOfCells(Pools(Path(spare)), todo.done)
        seconds = _seconds(todo, pools)
        buying = _buying(todo, pools)
        sets = {cell.set: pools.of(cell) for cell in file.cells}
    done = finished(file)
    return {
        "study": file.study.name,
        "folder": str(file.folder),
        "axes": _axes(file),
        "cells": {"all": len(file.cells), "done": len(done)},
        "sets": {name: {"pool": pool.size, "test": pool.test} for name, pool in sets.items()},
        "stages": {
            "all": sum(len(cell.stages) for cell in file.cells),
            "distinct": len(todo.first),
            "done": len(todo.done),
        },
        "seconds": None if seconds is None else round(sum(seconds.values()), 1),
        "stage_seconds": seconds,
        "buying": buying,
        "cap": None if file.study.cap is None else file.study.cap.model_dump(mode="json", exclude_none=True),
    }


def in_words(found: Mapping[str, Any]) -> str:
    """The plan for a person."""
    cells, stages, axes = found["cells"], found["stages"], found["axes"]
    listed = " x ".join(f"{len(values)} {name}" for name, values in axes.items())
    lines = [
        f"study {found['study']}: {listed}: {cells['all']} cells, {cells['done']} of them done",
        *(f"  {name}: {', '.join(map(str, values))}" for name, values in axes.items()),
        f"  stages: {stages['all']} of all cells, {stages['distinct']} distinct, {stages['done']} of them done",
        *(
            f"  {name}: {each['pool']} training and {each['test']} test questions"
            for name, each in found["sets"].items()
        ),
        *map(_bought, found["buying"]),
        *([f"  cap of the study: {', '.join(f'{k} {v}' for k, v in found['cap'].items())}"] if found["cap"] else []),
        "  time: unknown for these bases"
        if found["seconds"] is None
        else f"  time here: about {found['seconds'] / 3600:.1f} hours of one worker",
        *(f"    {name}: {each / 3600:.2f} hours" for name, each in (found["stage_seconds"] or {}).items()),
    ]
    return "\n".join(lines)


def _bought(row: Mapping[str, Any]) -> str:
    return (
        f"  to buy for {row['set']}: at most {row['requests']} requests to {row['model']}, {row['from_store']} replies "
        f"are in the store; expected ${row['expected_usd']}, at most ${row['worst_usd']}"
    )


@dataclass(frozen=True)
class _PoolsOfCells:
    """The pool of each cell, frozen already or read once."""

    pools: Pools
    done: Mapping[str, Path]

    def of(self, cell: Cell) -> data.Pool:
        place = self.done.get(cell.keys["data"])
        return self.pools.of(cell.run, cell.stages["data"], place or Path(), place is not None)


def _axes(file: StudyFile) -> dict[str, list[Any]]:
    names = {"sets": "set", "arms": "arm", "budgets": "budget", "seeds": "seed"}
    return {name: list(dict.fromkeys(getattr(cell, one) for cell in file.cells)) for name, one in names.items()}


def _seconds(todo: _Todo, pools: _PoolsOfCells) -> dict[str, float] | None:
    """Seconds of the distinct stages to come, by what they are."""
    found: defaultdict[str, float] = defaultdict(float)
    work: dict[tuple[str, str, str, int], dict[str, float] | None] = {}
    for key, (cell, name) in todo.first.items():
        if key in todo.done:
            continue
        if cell.cell not in work:
            pool = pools.of(cell)
            paid = min(rounds.affordable(cell.run, pool.size), pool.size)
            work[cell.cell] = operations(cell.run, cell.learner, pool, paid)
        made = work[cell.cell]
        if made is None:
            return None
        found[name.split("/")[-1] if name.startswith("round-") else name] += made.get(name, 0.0)
    rate = gemm_rate()
    return {name: round(each / rate, 1) for name, each in found.items() if each}


def _buying(todo: _Todo, pools: _PoolsOfCells) -> list[dict[str, Any]]:
    """What is to be bought for each data set of each teacher: cells that ask the same questions pay once.

    How many questions they have in common is not known before they are chosen: the figures are those of none.
    """
    asked: Counter[str] = Counter()
    cells: dict[str, Cell] = {}
    for key, (cell, name) in todo.first.items():
        if name == "teach" and key not in todo.done:
            shop = canonical([cell.keys["data"], cell.run.teacher.identity()])
            asked[shop] += rounds.affordable(cell.run, pools.of(cell).size)
            cells.setdefault(shop, cell)
    return [_priced(cells[shop], pools.of(cells[shop]), count) for shop, count in asked.items()]


def _priced(cell: Cell, pool: data.Pool, count: int) -> dict[str, Any]:
    run, asked = cell.run, min(count, pool.size)
    assert run.store is not None  # the run file's reader filled it in
    caps = Budget(queries=asked * run.teacher.samples, study=run.budget.study, store=run.budget.store)
    cost = teacher.plan(run.teacher, caps, f"{run.name}:plan", pool, pool.size, asked, run.store)
    mode = cost["modes"][cost["mode"]]
    return {
        "set": cell.set,
        "model": cost["model"],
        "questions": asked,
        "requests": mode["requests"],
        "from_store": cost["from_store"],
        "expected_usd": mode["expected"]["usd"],
        "worst_usd": mode["worst"]["usd"],
    }
