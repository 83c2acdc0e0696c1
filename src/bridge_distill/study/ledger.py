"""What a finished cell found and what it took, from its stages' folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.answers import is_correct
from bridge_distill.contexts import contexts
from bridge_distill.engine.stage import read_record
from bridge_distill.records import Question, Reply
from bridge_distill.study.cells import TESTS, Cell
from bridge_distill.study.results import Result, questions_digest
from bridge_distill.teacher.budget import dollars

STUDENT = "evaluate/student"
# What is no work of the assistant between the teacher and the student.
_BEFORE = {"data", "score", "select", "teach", "student"}


def result_of(cell: Cell, made: Mapping[str, Path], folder: Path) -> Result:
    """A finished cell's line; ``made`` holds the folders of its stages, ``folder`` is the study's."""
    records = {name: read_record(place) for name, place in made.items()}
    questions = artifacts.test_questions(made["data"])
    right = {name: _right(place, questions) for name, place in made.items() if name.split("/")[0] in TESTS}
    taught_by = cell.before("student")
    seconds = {name: float(record["seconds"]) for name, record in records.items()}
    student = records["student"]["figures"]
    return Result(
        *cell.cell,
        questions=questions_digest(questions),
        right=right.pop(STUDENT),
        others={name.removeprefix("evaluate/"): found for name, found in right.items()},
        groups=contexts(questions),
        majority=records["data"]["figures"].get("majority"),
        steps=student["steps"],
        tokens=student["tokens"],
        parameters=student["parameters"],
        seconds=seconds,
        assistant_seconds=round(sum(seconds[name] for name in taught_by if name.split("/")[-1] not in _BEFORE), 2),
        **_teaching(made, records, "teach" in taught_by),
        paths={name: place.relative_to(folder).as_posix() for name, place in made.items()},
    )


def _right(evaluate: Path, questions: list[Question]) -> list[int]:
    correct = {verdict.question_id: verdict.correct for verdict in artifacts.verdicts(evaluate)}
    return [int(correct[question.id]) for question in questions]


def _teaching(made: Mapping[str, Path], records: Mapping[str, Any], taught: bool) -> dict[str, Any]:
    """What the replies come to, as if the cell had bought all of them itself."""
    replies: list[Reply] = artifacts.replies(made["teach"]) if taught else []
    return {
        "teacher_right": _teacher_right(made) if taught else None,
        "calls": len(replies),
        "input_tokens": sum(reply.input_tokens for reply in replies),
        "output_tokens": sum(reply.output_tokens for reply in replies),
        "usd": dollars(sum(reply.usd_micros for reply in replies)),
        "short": records["teach"]["figures"]["ended_by"] if taught else None,
        "failed": len(records["teach"]["figures"]["failed"]) if taught else 0,
    }


def _teacher_right(made: Mapping[str, Path]) -> float | None:
    """The share of the paid rationales that agree with gold, of those whose question has one."""
    asked = {question.id: question for question in artifacts.train_questions(made["data"])}
    graded = [
        is_correct(row.answer, asked[row.question_id])
        for row in artifacts.rationales(made["teach"])
        if asked[row.question_id].answer is not None
    ]
    return sum(graded) / len(graded) if graded else None
