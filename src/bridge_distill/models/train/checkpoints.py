"""Checkpoints of a training that is under way: only those written to their end count."""

from __future__ import annotations

import shutil
from pathlib import Path

_COMPLETE = "complete"


def mark_complete(checkpoint: Path) -> None:
    """Say that all files of a checkpoint are written."""
    (checkpoint / _COMPLETE).touch()


def last_complete(checkpoints: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    complete = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / _COMPLETE).exists():
            complete.append(folder)
        else:
            shutil.rmtree(folder)
    return str(max(complete, key=lambda folder: int(folder.name.split("-")[1]))) if complete else None
