"""Bases of few layers: for what reads no score, and for quick cells."""

from __future__ import annotations

from pathlib import Path

from bridge_distill.config import Compute, Shrink
from bridge_distill.models.load import load
from bridge_distill.models.shrink import cut
from once import once

BASE = "smollm2-135m"


def shallow(work: Path, layers: int) -> str:
    """The base with so many of its layers, a folder below ``work``."""

    def make(folder: Path) -> None:
        cut(load(BASE, Compute(), "base"), Shrink(layers=layers), [], "base").save(folder)

    return str(once(work / f"{BASE}-{layers}", make))
