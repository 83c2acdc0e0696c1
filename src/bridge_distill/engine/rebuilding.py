"""What a command has made anew, on disk until the command has ended: a kill must not take the user's word back."""

from __future__ import annotations

import os
from pathlib import Path

REMADE = ".remade"


class Remade:
    """The folders of stages of a run that are made anew: what comes from them is made anew without being named."""

    def __init__(self, run: Path) -> None:
        self._run, self._path = run, run / REMADE
        self._names = set(self._path.read_text(encoding="utf-8").splitlines()) if self._path.exists() else set()

    def __contains__(self, folder: Path) -> bool:
        return folder.relative_to(self._run).as_posix() in self._names

    def add(self, folder: Path) -> None:
        """Note a folder, durably, before what it holds is deleted."""
        name = folder.relative_to(self._run).as_posix()
        self._names.add(name)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(f"{name}\n")
            stream.flush()
            os.fsync(stream.fileno())

    def clear(self) -> None:
        """Forget them all: the command has ended, and the next one asks for itself."""
        self._names.clear()
        self._path.unlink(missing_ok=True)
