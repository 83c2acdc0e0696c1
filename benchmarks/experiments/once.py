"""Folders that several workers need and one of them makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """``folder``, made if it is not there: whole, whoever else makes it and wherever a kill strikes."""
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        make(partial)
        try:
            partial.rename(folder)
        except OSError:  # another worker was first
            shutil.rmtree(partial)
    return folder
