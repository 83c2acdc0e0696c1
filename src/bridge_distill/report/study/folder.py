"""Read a study's folder: what was planned, and one line for each cell that has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.artifacts import FAILED, RESULTS, STUDY
from bridge_distill.errors import UserError, nearest
from bridge_distill.report.folder import read_json
from bridge_distill.statistics.estimates import Groups, Table

CURE = "delete that line and run the study again"


@dataclass(frozen=True)
class Answers:
    """One arm at one budget on one data set: its seeds in order, and their answers of shape (seeds, questions)."""

    arm: str
    budget: str
    seeds: list[int]
    right: Table
    lines: list[dict[str, Any]]

    def at(self, seeds: list[int]) -> Table:
        """The answers of some of the seeds."""
        return self.right[[self.seeds.index(seed) for seed in seeds]]

    @property
    def base(self) -> Table | None:
        """The answers of the untuned base of each seed; None where it was not tested."""
        found = [line["others"].get("base") for line in self.lines]
        return None if None in found else np.array(found, dtype=np.bool_)

    @property
    def beside(self) -> dict[str, Table]:
        """The answers of each seed's assistant, and of guides (``guide/NAME``), where they were tested."""
        names = dict.fromkeys(name for line in self.lines for name in line["others"] if name != "base")
        return {
            name: np.array([line["others"][name] for line in self.lines if name in line["others"]], dtype=np.bool_)
            for name in names
        }


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk; ``facts`` is its ``study.json``, ``failed`` holds the error of each cell that failed."""

    path: Path
    facts: dict[str, Any]
    reference: str
    lines: list[dict[str, Any]]
    failed: dict[str, str]

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Every cell of the plan, in order."""
        return list(self.facts["cells"])

    @property
    def sets(self) -> list[str]:
        """The data sets on which some cell has ended, in the plan's order."""
        done = {line["set"] for line in self.lines}
        return [name for name in dict.fromkeys(cell["set"] for cell in self.cells) if name in done]

    def of(self, set_: str) -> list[Answers]:
        """What each arm found on a data set at each budget, in the plan's order; only what has ended."""
        places = dict.fromkeys((cell["arm"], cell["budget"]) for cell in self.cells if cell["set"] == set_)
        found = {place: self._lines(set_, *place) for place in places}
        return [
            Answers(*place, [line["seed"] for line in lines], np.array([line["right"] for line in lines], bool), lines)
            for place, lines in found.items()
            if lines
        ]

    def groups(self, set_: str) -> Groups:
        """The context of each test question of shape (questions,); None where no two questions share one."""
        found = next(line["groups"] for line in self.lines if line["set"] == set_)
        return None if found is None else np.array(found, dtype=np.int64)

    def _lines(self, set_: str, arm: str, budget: str) -> list[dict[str, Any]]:
        found = [line for line in self.lines if (line["set"], line["arm"], line["budget"]) == (set_, arm, budget)]
        return sorted(found, key=lambda line: int(line["seed"]))


def is_study(path: Path) -> bool:
    """Whether a folder is a study's."""
    return (path / STUDY).is_file()


def open_study(path: Path, reference: str | None = None) -> StudyFolder:
    """Open a study's folder; ``reference`` is the arm to compare with, that of the study where left out.

    Raises ``UserError`` where it is no study's, a line of its results cannot be used, or there is no such arm.
    """
    if not is_study(path):
        raise UserError(str(path), f"holds no {STUDY}", "give the folder of a study, such as runs/<name>")
    facts = read_json(path / STUDY)
    arms = {cell["arm"] for cell in facts["cells"]}
    if reference is not None and reference not in arms:
        raise UserError("--reference", f"{reference!r} is no arm of the study", nearest(reference, arms))
    planned = [tuple(cell.values()) for cell in facts["cells"]]
    lines = [line for line in _read(path / RESULTS) if _cell(line) in planned]
    _check_questions(path / RESULTS, lines)
    failed = [read_json(found) for found in sorted((path / FAILED).glob("*.json"))]
    return StudyFolder(
        path, facts, reference or facts["reference"], lines, {found["cell"]: found["error"] for found in failed}
    )


def _cell(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["set"], line["arm"], line["budget"], line["seed"]


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            assert len(line["right"]) == len(line["groups"] or line["right"]) > 0
            found.append({**line, "budget": str(line["budget"])})
        except (ValueError, KeyError, TypeError, AssertionError):
            raise UserError(f"{path}:{number}", "is no result of a cell", CURE) from None
    return found


def _check_questions(path: Path, lines: list[dict[str, Any]]) -> None:
    """Only answers to the same questions can be paired."""
    asked: dict[str, str] = {}
    for line in lines:
        if asked.setdefault(line["set"], line["questions"]) != line["questions"]:
            problem = f"holds cells of {line['set']} that were tested on different questions"
            raise UserError(str(path), problem, "run the study again, which sets old lines aside")
