"""What a path on the command line names: a store, directly or through a run file, and what that adds to its account."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill.config import Run, Teacher
from bridge_distill.errors import UserError, nearest
from bridge_distill.pipeline import arm_scope
from bridge_distill.runfile import RunFile, read_run
from bridge_distill.teacher.account import account, caps, runs_of
from bridge_distill.teacher.account_words import with_commands
from bridge_distill.teacher.database import Database

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Place:
    """A store that may not be there yet, and the run file that led to it, if one did."""

    path: Path
    store: Path
    file: RunFile | None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Database]:
        """The store, to read; raises ``UserError`` where it is not there yet."""
        if not self.store.exists():
            raise UserError(str(self.store), "is not there, for nothing was bought yet", "run the run file first")
        with Database.reading(self.store) as database:
            yield database

    def check_run(self, database: Database, run: str | None) -> None:
        """Raise ``UserError`` for a run of which neither the store nor the run file knows."""
        known = {*runs_of(database), *self._scopes()}
        if run is not None and run not in known:
            raise UserError(f"--run {run}", "is no run of this store", nearest(run, known))

    def teachers(self) -> list[Teacher]:
        """The teachers of the run and its arms, each once."""
        found: list[Teacher] = []
        for settings, _ in self._scopes().values():
            found += [settings.teacher] * (settings.teacher not in found)
        return found

    def account(self, database: Database, run: str | None) -> dict[str, Any]:
        """The store's account with the ``caps`` of the run file's runs, and the commands that close what is open."""
        self.check_run(database, run)
        scopes = {name: scope for name, scope in self._scopes().items() if run in (None, name)}
        found = {
            "path": str(self.store),
            "bought": True,
            **account(database, run),
            "caps": [
                caps(settings.teacher, settings.budget, _data_folder(settings, arm), database, name)
                for name, (settings, arm) in scopes.items()
            ],
        }
        return with_commands(found, self.path, self.file is not None)

    def _scopes(self) -> dict[str, tuple[Run, str]]:
        """The run and its arms by whom the ledger charges, each with its name in the run folder."""
        if self.file is None:
            return {}
        run = self.file.run
        return {run.name: (run, "")} | {arm_scope(run, name): (arm, name) for name, arm in self.file.arms.items()}


def find_place(path: Path) -> Place:
    """The store that a path names; raises ``UserError`` where it names none."""
    cure = "give a run file, or a store such as runs/replies.sqlite"
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", cure) from None
    if head.startswith(_SQLITE):
        return Place(path, path, None)
    if b"\0" in head:
        raise UserError(str(path), "is neither a run file nor a store", cure)
    found = read_run(path)
    assert found.run.store is not None  # the run file's reader filled it in
    return Place(path, found.run.store, found)


def _data_folder(run: Run, arm: str) -> Path | None:
    """Where a run, or an arm of it, has its frozen data; None where it has not come so far."""
    folder = run.runs / run.name
    try:
        description = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        stages = description["arms"].get(arm, {}) if arm else description["stages"]
        return folder / stages["data"] if "data" in stages else None
    except (OSError, ValueError, LookupError, AttributeError):
        return None
