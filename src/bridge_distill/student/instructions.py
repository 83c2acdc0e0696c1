"""Read an instruction file: JSON lines of instruction and response."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge_distill.engine.fingerprint import file_digest
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example

_ASK = ("question", "instruction", "prompt")
_GIVEN = ("context", "input")
_REPLY = ("answer", "output", "response", "completion")


def read_instructions(path: Path) -> tuple[list[Example], list[str]]:
    """Rows of a JSONL file as examples, and a line ``file:line reason`` for each row that is none; blank ones are not.

    The instruction is the first of ``question``, ``instruction``, ``prompt``, what it is given (the first of
    ``context``, ``input``) below it; the reply is the first of ``answer``, ``output``, ``response``, ``completion``.
    Raises ``UserError`` if nothing can be read.
    """
    try:
        # A JSON string may hold every separator of lines but this one.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    examples, refused = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            examples.append(_example(json.loads(line)))
        except (ValueError, AttributeError, StopIteration):
            refused.append(f"{path.name}:{number} is no instruction with a response")
    if not examples:
        raise UserError(
            "student.instructions", f"{path} holds no instruction with a response", "give a JSONL file that does"
        )
    return examples, refused


def _example(row: Any) -> Example:
    ask = next(row[key] for key in _ASK if row.get(key))
    reply = next(row[key] for key in _REPLY if row.get(key))
    given = [row[key] for key in _GIVEN if row.get(key)]
    return Example("\n".join(map(str, [ask, *given[:1]])), str(reply))


def digest(path: Path) -> str:
    """What an instruction file holds, wherever it stands; raises ``UserError`` if it cannot be read."""
    try:
        return f"sha256:{file_digest(path)}"
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError("student.instructions", f"{path} cannot be read ({error})", "give a JSONL file")
