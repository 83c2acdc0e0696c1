"""The stages of a study, by content: one folder a fingerprint, made once, whoever of the cells comes first.

A stage lies in ``stages/<name>-<fingerprint>/<name>``. What a stage left may lose its weights once nobody needs them;
its record stays, and a later stage that needs them has them made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge_distill.engine.claims import claim
from bridge_distill.engine.fingerprint import fingerprint
from bridge_distill.engine.progress import say
from bridge_distill.engine.stage import RECORD, Runner, Stage, read_record
from bridge_distill.errors import UserError
from bridge_distill.study.cells import Cell

STAGES = "stages"
WEIGHTS = "*.safetensors"
AGAIN = "again"
_DIGITS = 16


@dataclass(frozen=True)
class StageStore:
    """The stages of the study in ``folder``."""

    folder: Path

    def made(self, cell: Cell) -> dict[str, Path]:
        """The folders of a cell's stages that are done, up to the first that is not."""
        found: dict[str, Path] = {}
        for stage in cell.stages.values():
            place = self._place(stage, found)
            if not (place / RECORD).exists():
                break
            found[stage.name] = place
        return found

    def complete(self, cell: Cell, wait: bool) -> dict[str, Path]:
        """Make every stage of a cell that is not done; returns their folders.

        Raises ``Claimed`` where another process makes one of them, unless it is to ``wait``.
        """
        found: dict[str, Path] = {}
        for stage in cell.stages.values():
            place = self._place(stage, found)
            if not (place / RECORD).exists():
                with claim(self.folder, self._slot(place).name, wait):
                    self._make(cell, stage, found, place)
            found[stage.name] = place
        return found

    def drop_weights(self, place: Path) -> None:
        """Delete the weights of a finished stage."""
        with claim(self.folder, self._slot(place).name):
            for path in place.rglob(WEIGHTS):
                path.unlink()

    def _place(self, stage: Stage, made: Mapping[str, Path]) -> Path:
        inputs = {name: str(read_record(made[name])["digest"]) for name in stage.inputs}
        print_ = fingerprint(stage.name, stage.settings, inputs)
        return self.folder / STAGES / f"{stage.name.replace('/', '-')}-{print_[:_DIGITS]}" / stage.name

    def _slot(self, place: Path) -> Path:
        """The folder of a fingerprint, below which the stage's own lies under its name."""
        return self.folder / STAGES / place.relative_to(self.folder / STAGES).parts[0]

    def _make(self, cell: Cell, stage: Stage, made: Mapping[str, Path], place: Path) -> None:
        if (place / RECORD).exists():  # another process has made it since
            return
        for name in stage.inputs:
            self._restore(cell, name, made)
        say(f"{cell.label}: {stage.name}")
        self._run(cell, stage, made, self._slot(place))

    def _run(self, cell: Cell, stage: Stage, made: Mapping[str, Path], below: Path) -> Path:
        return Runner(self.folder, [], cell.seed).do(stage, below, dict(made), {})

    def _restore(self, cell: Cell, name: str, made: Mapping[str, Path]) -> None:
        """Make what a stage has lost again beside it, and move it back: others may be reading what is left."""
        place, stage = made[name], cell.stages[name]
        if not _lost(place):
            return
        with claim(self.folder, self._slot(place).name):
            lost = _lost(place)
            if not lost:
                return
            for other in stage.inputs:
                self._restore(cell, other, made)
            say(f"{cell.label}: {name} again, for its weights are gone")
            again = self._run(cell, stage, made, self._slot(place) / AGAIN)
            if read_record(again)["digest"] != read_record(place)["digest"]:
                problem = "was made again with another outcome, so this machine or its libraries have changed"
                raise UserError(str(place), problem, "give the study another name")
            for path in lost:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (again / path).replace(place / path)
            shutil.rmtree(self._slot(place) / AGAIN)


def _lost(place: Path) -> list[str]:
    """The files of a finished stage that are gone."""
    return [name for name in read_record(place)["outputs"] if not (place / name).exists()]
