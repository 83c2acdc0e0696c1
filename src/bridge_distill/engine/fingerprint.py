"""What makes a stage's output what it is, as one hash that ignores key order, paths and hardware."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

# Raise this when the meaning of a record changes, so that old ones stop matching on purpose.
VERSION = 1


def fingerprint(stage: str, settings: dict[str, Any], inputs: dict[str, str]) -> str:
    """SHA-256 over stage name, settings (plain JSON values) and input digests.

    Raises ``TypeError`` for a value whose text could differ from run to run.
    """
    return hashlib.sha256(
        canonical({"version": VERSION, "stage": stage, "settings": settings, "inputs": inputs}).encode()
    ).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; refuses anything but JSON's own types and NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def file_digest(path: Path) -> str:
    """SHA-256 of an input; one process reads it again only where its size or time of change is another."""
    found = path.stat()
    return _file_digest(path, found.st_size, found.st_mtime_ns)


@cache
def _file_digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path; names that begin with a dot are left out."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts):
            with path.open("rb") as stream:
                found[name.as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return found


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """The dotted paths at which two JSON values differ, each with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [
            line for key in keys for line in differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if old == new else [f"{path} was {_short(old)}, now {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
