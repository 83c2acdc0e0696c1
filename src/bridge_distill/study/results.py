"""The results of a study: ``results.jsonl``, one line a finished cell, and the test questions beside it.

Statistics and pages read these two files alone. A line's ``questions`` is a digest; ``questions.json`` holds under it
the ids of the test questions in the order of every list in the line.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bridge_distill.artifacts import RESULTS
from bridge_distill.engine.claims import claim
from bridge_distill.engine.fingerprint import canonical
from bridge_distill.engine.stage import write_json
from bridge_distill.errors import UserError
from bridge_distill.records import Question

QUESTIONS = "questions.json"
CLAIM = "results"


@dataclass(frozen=True, slots=True)
class Result:
    """What one cell (a data ``set``, an ``arm``, a ``budget``, a ``seed``) found, and what it took.

    ``right`` holds 0 or 1 a test question for the student; ``others`` the same by name for what was tested beside it
    (``base``, ``assistant``, ``guide/NAME``). ``groups`` numbers the context that a question shares with others, None
    where no two share one. ``majority`` and ``teacher_right`` (of the paid replies, against gold) are shares from 0
    to 1, None where they are not known.

    What the student's making took, whoever of the study's cells did the work: optimizer ``steps`` and real ``tokens``
    of the student, its ``parameters``, ``seconds`` by stage, ``assistant_seconds`` of them before the student and after
    the teacher, and of the teacher its ``calls``, ``input_tokens``, ``output_tokens`` and ``usd`` (exact, a string).
    ``short`` names the cap that ended buying early, None where none did. ``paths`` are the stages' folders, relative to
    the study's. ``failed`` counts the requests that brought no reply, None in a line from before they were counted.
    """

    set: str
    arm: str
    budget: str
    seed: int
    questions: str
    right: list[int]
    others: dict[str, list[int]]
    groups: list[int] | None
    majority: float | None
    teacher_right: float | None
    steps: int
    tokens: int
    parameters: int
    seconds: dict[str, float]
    assistant_seconds: float
    calls: int
    input_tokens: int
    output_tokens: int
    usd: str
    short: str | None
    paths: dict[str, str]
    failed: int | None = None

    @property
    def cell(self) -> tuple[str, str, str, int]:
        """Which cell of the study this is."""
        return self.set, self.arm, self.budget, self.seed


def read_results(folder: Path) -> list[Result]:
    """The finished cells of a study's folder, in the order in which they ended; none where nothing has ended yet.

    Raises ``UserError`` for a line that is no result.
    """
    path = folder / RESULTS
    if not path.exists():
        return []
    names = [field.name for field in fields(Result)]
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            found.append(Result(**{name: row[name] for name in names if name in row}))
        except (ValueError, KeyError, TypeError) as error:
            problem = f"is no result of a cell ({type(error).__name__}: {error})"
            raise UserError(f"{path}:{number}", problem, "delete that line and run the study again") from None
    return found


def add_result(folder: Path, result: Result, questions: Sequence[Question]) -> None:
    """Append a cell's line, unless it is there: after a crash the whole line stands in the file, or nothing of it.

    Raises ``UserError`` where another process has written the cell down with other settings.
    """
    with claim(folder, CLAIM):
        _remember(folder / QUESTIONS, result.questions, [question.id for question in questions])
        done = read_results(folder)
        same = [other for other in done if other.cell == result.cell]
        if not same:
            write_results(folder, [*done, result])
        elif same[0].paths != result.paths:
            problem = f"holds {', '.join(map(str, result.cell))} as another process made it with other settings"
            raise UserError(str(folder / RESULTS), problem, "end one of the two, and run the study again")


def read_questions(folder: Path) -> dict[str, list[str]]:
    """The ids of the test questions under each digest."""
    path = folder / QUESTIONS
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def questions_digest(questions: Sequence[Question]) -> str:
    """What tells one list of test questions from another: SHA-256 over ids, texts and gold answers."""
    rows = [[question.id, question.text, question.answer] for question in questions]
    return hashlib.sha256(canonical(rows).encode("utf-8", "replace")).hexdigest()[:16]


def _remember(path: Path, digest: str, ids: list[str]) -> None:
    known: Mapping[str, Any] = read_questions(path.parent)
    if digest not in known:
        write_json(path, {**known, digest: ids})


def write_results(folder: Path, rows: Sequence[Result]) -> None:
    """Write all lines anew, atomically and durably; the caller holds the claim ``CLAIM``."""
    path = folder / RESULTS
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
