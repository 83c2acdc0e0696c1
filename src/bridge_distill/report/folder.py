"""Read a run folder: which stages are finished, where they lie, and what they recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.contexts import contexts
from bridge_distill.engine.stage import RECORD, partial_of
from bridge_distill.errors import UserError
from bridge_distill.records import Verdict

MODELS = ("base", "assistant", "student")
EVALUATE = "evaluate/"


@dataclass(frozen=True)
class RunFolder:
    """A run on disk; ``facts`` is its ``run.json``. A stage without a ``record.json`` counts as not finished."""

    path: Path
    facts: dict[str, Any]

    @property
    def arms(self) -> list[str]:
        """The arms' names, in the run file's order."""
        return list(self.facts.get("arms") or {})

    @property
    def plan(self) -> list[str]:
        """The run's stages in order, finished or not."""
        return list(self.facts.get("plan") or [])

    def stages(self, arm: str | None = None) -> dict[str, str]:
        """The stages made for the run, or for an arm, each with its folder relative to the run."""
        found = (self.facts.get("arms") or {}).get(arm) if arm is not None else self.facts.get("stages")
        return dict(found or {})

    def folder(self, stage: str, arm: str | None = None) -> Path | None:
        """The folder of a finished stage, or None."""
        relative = self.stages(arm).get(stage)
        if relative is None or not (self.path / relative / RECORD).is_file():
            return None
        return self.path / relative

    def record(self, stage: str, arm: str | None = None) -> dict[str, Any]:
        """What a stage recorded; empty where it is not finished."""
        folder = self.folder(stage, arm)
        return {} if folder is None else read_json(folder / RECORD)

    def figures(self, stage: str, arm: str | None = None) -> dict[str, Any]:
        """The figures in a stage's record; empty where it is not finished."""
        return dict(self.record(stage, arm).get("figures") or {})

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each finished stage's relative folder and record, once: the run's stages first, then what arms add."""
        seen: set[str] = set()
        for arm in (None, *self.arms):
            for stage, relative in self.stages(arm).items():
                if relative not in seen and self.folder(stage, arm) is not None:
                    seen.add(relative)
                    yield relative, self.record(stage, arm)

    def shares(self, stage: str, arm: str) -> bool:
        """Whether an arm uses the run's own output of a stage."""
        return stage in self.stages(arm) and self.stages(arm)[stage] == self.stages().get(stage)


@dataclass(frozen=True)
class Graded:
    """The verdicts of one tested model; ``arm`` is None for the run's own three models.

    ``contexts`` numbers the context of each test question, by its id; None where no two share one.
    """

    key: str
    label: str
    arm: str | None
    stage: str
    verdicts: list[Verdict]
    contexts: dict[str, int] | None = None

    @property
    def correct(self) -> int:
        """Number of questions answered correctly."""
        return sum(verdict.correct for verdict in self.verdicts)


def open_run(path: Path) -> RunFolder:
    """Open a run folder. Raises ``UserError`` where it is not one."""
    if not (path / "run.json").is_file():
        raise UserError(str(path), "holds no run.json", "give the folder of a run, such as runs/<name>")
    return RunFolder(path, read_json(path / "run.json"))


def graded(run: RunFolder) -> list[Graded]:
    """Every model that was tested: base, assistant and student, then each arm's student."""
    labels = {"base": "Untuned base", "assistant": "Assistant", "student": "Student"}
    planned: list[tuple[str, str, str | None, str]] = [(name, labels[name], None, EVALUATE + name) for name in MODELS]
    for arm in run.arms:
        planned.append((arm_key(arm), f"Arm “{arm}”", arm, EVALUATE + "student"))
    found, asked_of_all = [], contexts_of(run)
    for key, label, of, stage in planned:
        folder = run.folder(stage, of)
        verdicts = artifacts.verdicts(folder) if folder is not None else []
        if verdicts:
            shared = of is None or run.shares("data", of)
            found.append(Graded(key, label, of, stage, verdicts, asked_of_all if shared else contexts_of(run, of)))
    return found


def contexts_of(run: RunFolder, arm: str | None = None) -> dict[str, int] | None:
    """The number of each test question's context by the question's id; None where no two share one."""
    data = run.folder("data", arm)
    asked = artifacts.test_questions(data) if data is not None else []
    found = contexts(asked)
    return None if found is None else dict(zip((question.id for question in asked), found, strict=True))


def arm_key(arm: str) -> str:
    """The name of an arm among the tested models, kept apart from the run's own three."""
    return f"{arm} (arm)" if arm in MODELS else arm


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; characters that UTF-8 cannot hold become question marks."""
    partial = partial_of(path)
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises ``UserError`` where the file holds none."""
    cure = "restore the file, or run the stage that wrote it again"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UserError(str(path), f"cannot be read as JSON ({error})", cure) from None
    if not isinstance(loaded, dict):
        raise UserError(str(path), f"holds {type(loaded).__name__}, not an object", cure)
    return loaded
