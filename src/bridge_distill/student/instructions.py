"""Read an instruction file: JSON lines of instruction and response."""

from __future__ import annotations

import json
from pathlib import Path

from bridge_distill.engine.fingerprint import file_digest
from bridge_distill.errors import UserError
from bridge_distill.models.train import Example

_ASK = ("question", "instruction", "prompt")
_REPLY = ("answer", "output", "response", "completion")


def read_instructions(path: Path) -> tuple[list[Example], list[str]]:
    """Rows of a JSONL file as examples, and a line ``file:line reason`` for each row that is none.

    The instruction is the first of ``question``, ``instruction``, ``prompt``; the reply the first of
    ``answer``, ``output``, ``response``, ``completion``. Raises ``UserError`` if nothing can be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    examples, refused = [], []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            ask = next(row[key] for key in _ASK if row.get(key))
            reply = next(row[key] for key in _REPLY if row.get(key))
            examples.append(Example(str(ask), str(reply)))
        except (ValueError, AttributeError, StopIteration):
            refused.append(f"{path.name}:{number} is no instruction with a response")
    if not examples:
        raise UserError(
            "student.instructions", f"{path} holds no instruction with a response", "give a JSONL file that does"
        )
    return examples, refused


def digest(path: Path) -> str:
    """What an instruction file holds, wherever it stands; raises ``UserError`` if it cannot be read."""
    try:
        return f"sha256:{file_digest(path)}"
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError("student.instructions", f"{path} cannot be read ({error})", "give a JSONL file")
