"""Work on a study: cells in order, each written down as soon as it has ended, by one process or several."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.artifacts import FAILED, STUDY
from bridge_distill.engine.claims import Claimed, claim
from bridge_distill.engine.helpers import end_with_parent
from bridge_distill.engine.progress import say
from bridge_distill.engine.stage import write_json
from bridge_distill.engine.tracking import tell_figures, tracking
from bridge_distill.errors import UserError
from bridge_distill.study.cells import Cell, StudyFile, check, read_study
from bridge_distill.study.ledger import result_of
from bridge_distill.study.results import CLAIM, Result, add_result, read_results, write_results
from bridge_distill.study.store import WEIGHTS, StageStore

SUPERSEDED = "superseded.jsonl"


def open_study(path: Path, overrides: Sequence[str], command: str) -> StudyFile:
    """Read a study and say in its folder what it is; what failed will be tried again.

    Raises ``UserError`` where the file, or a name in it, is wrong, before anything is computed.
    """
    file = read_study(path, overrides)
    store = StageStore(file.folder)
    check(file, lambda cell: "teach" in cell.stages and "teach" not in store.made(cell))
    file.folder.mkdir(parents=True, exist_ok=True)
    (file.folder / FAILED).mkdir(exist_ok=True)
    for old in (file.folder / FAILED).glob("*.json"):  # the folder stays: other processes may be writing to it
        old.unlink(missing_ok=True)
    write_json(file.folder / STUDY, _description(file, command))
    with claim(file.folder, CLAIM):
        _set_aside(file)
    return file


def run_study(file: StudyFile, path: Path, overrides: Sequence[str], workers: int) -> dict[str, str]:
    """Finish every cell that is not finished; returns the error of each that failed, by its label.

    ``workers`` processes share the work, each taking what no other is at.
    """
    # A process of its own each: forked copies of one that has loaded torch would share its threads' locks.
    context = multiprocessing.get_context("spawn")
    helpers = [context.Process(target=_help, args=(path, overrides), daemon=True) for _ in range(workers - 1)]
    for helper in helpers:
        helper.start()
    work(file)
    for helper in helpers:
        helper.join()
    if file.study.keep == "none":
        drop_weights(file)
    return failures(file)


def work(file: StudyFile) -> None:
    """Work until no cell is left: where another process is at a stage, at another cell; where at all, wait for it."""
    wait = False
    while left := unfinished(file):
        ended = 0
        for cell in left:
            ended += _try(file, cell, wait and not ended)
            if file.study.keep == "none":
                drop_weights(file)
        wait = not ended


def finished(file: StudyFile) -> dict[tuple[str, str, str, int], Result]:
    """The lines of the cells whose stages are those that the study's file asks for now."""
    store, lines = StageStore(file.folder), {line.cell: line for line in read_results(file.folder)}
    asked = {cell.cell: cell for cell in file.cells}
    return {
        name: line
        for name, line in lines.items()
        if name in asked and line.paths == _paths(file, store.made(asked[name]))
    }


def failures(file: StudyFile) -> dict[str, str]:
    """The error of each cell that failed when it was last tried, by its label."""
    found = {}
    for cell in file.cells:
        path = _failure(file, cell)
        if path.exists():
            found[cell.label] = str(json.loads(path.read_text(encoding="utf-8"))["error"])
    return found


def unfinished(file: StudyFile) -> list[Cell]:
    """The cells that have neither ended nor failed, in order."""
    done = finished(file)
    return [cell for cell in file.cells if cell.cell not in done and not _failure(file, cell).exists()]


def drop_weights(file: StudyFile) -> None:
    """Delete the weights of every stage that only finished cells have."""
    done, store = finished(file), StageStore(file.folder)
    left = [cell for cell in file.cells if cell.cell not in done]
    # Stages of other keys may have come out alike and lie at one place, which another process may be reading.
    needed = {key for cell in left for key in cell.keys.values()}
    in_use = {place for cell in left for place in store.made(cell).values()}
    for cell in file.cells:
        if cell.cell in done:
            for name, place in store.made(cell).items():
                if cell.keys[name] not in needed and place not in in_use and any(place.rglob(WEIGHTS)):
                    store.drop_weights(place)


def _set_aside(file: StudyFile) -> None:
    """Move lines of cells as they no longer are out of the results."""
    lines, now = read_results(file.folder), finished(file)
    old = [line for line in lines if line.cell not in now]
    if old:
        say(f"{file.study.name}: {len(old)} results are of other settings, and move to {SUPERSEDED}")
        with (file.folder / SUPERSEDED).open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in old)
        write_results(file.folder, list(now.values()))


def _description(file: StudyFile, command: str) -> dict[str, Any]:
    return {
        "name": file.study.name,
        "command": command,
        "reference": file.study.reference,
        "study": file.study.model_dump(mode="json"),
        "cells": [{"set": cell.set, "arm": cell.arm, "budget": cell.budget, "seed": cell.seed} for cell in file.cells],
        "config": {f"{cell.set}, {cell.arm}": cell.run.model_dump(mode="json") for cell in file.cells},
    }


def _help(path: Path, overrides: Sequence[str]) -> None:
    end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):  # the first process says that all were stopped
        work(read_study(path, overrides))


def _try(file: StudyFile, cell: Cell, wait: bool) -> bool:
    """Whether a cell has ended, well or not; False where another process is at one of its stages."""
    if _failure(file, cell).exists():
        return True
    try:
        with tracking(cell.run.compute.report_to, file.study.name, file.folder):
            made = StageStore(file.folder).complete(cell, wait)
            tell_figures({f"{cell.label}/{name}": place for name, place in made.items()})
    except Claimed:
        return False
    except UserError as error:
        say(f"{cell.label}: failed, {error}")
        write_json(_failure(file, cell), {"cell": cell.label, "error": str(error)})
        return True
    result = result_of(cell, made, file.folder)
    add_result(file.folder, result, artifacts.test_questions(made["data"]))
    say(f"{cell.label}: {sum(result.right)} of {len(result.right)} right")
    return True


def _paths(file: StudyFile, made: dict[str, Path]) -> dict[str, str]:
    return {name: place.relative_to(file.folder).as_posix() for name, place in made.items()}


def _failure(file: StudyFile, cell: Cell) -> Path:
    # No name holds a comma: with a dash, which names hold, two cells might share a file.
    return file.folder / FAILED / f"{','.join(map(str, cell.cell))}.json"
