"""How much a student suffers from bad rationales: five ways to degrade them, at growing shares of its lessons.

The student of a run (22.7M weights) is taught on the practice expert's rationales for a whole pool of 400, a share of
them degraded on purpose, and tested on development questions. A seed draws the pool, the degraded questions (the same
for all ways, a larger share holding the smaller) and the training.

    python degraded.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import experiment
from bases import shallow
from bridge_distill import artifacts, data, evaluation, practice, prompts, student
from bridge_distill.answers import read_answer
from bridge_distill.config import Compute, Data, Evaluate, Shrink, Student
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import EXPERT, Question, Rationale
from cells import Cell, cells
from degradations import KINDS, Worked, degrade

CLEAN = "clean"
SET = "practice-legal"
SHARES = (1.0, 0.5, 0.25, 0.1)
SEEDS = range(3)


@dataclass(frozen=True)
class Sizes:
    """Questions taught and tested, and how the student learns."""

    pool: int = 400
    tested: int = 100
    student: Student = field(default_factory=lambda: Student(steps=200))
    tokens: int = 96


def measured(cell: Cell, sizes: Sizes, work: Path) -> dict[str, Any]:
    """The student's answers, right or wrong, after lessons of which the cell's share is degraded."""
    frozen = pool_of(cell, sizes, work)
    folder = work / f"{cell.label}, {sizes.pool}"
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    questions = artifacts.train_questions(frozen)
    write_rows(folder / artifacts.RATIONALES, Rationale, rationales(questions, cell))
    taught = student.teach_student(sizes.student, frozen, [folder], None, folder, scratch, Compute(), cell.seed)
    graded = evaluation.grade(
        Evaluate(max_new_tokens=sizes.tokens),
        "student",
        str(folder / artifacts.MODEL),
        artifacts.test_questions(frozen),
        folder,
        scratch,
        Compute(),
    )
    values = [verdict.correct for verdict in artifacts.verdicts(folder)]
    shutil.rmtree(folder)
    return {
        "parse_failures": graded["parse_failures"],
        "last_loss": round(taught["phases"][-1]["losses"][-1][1], 4),
        "values": values,
    }


def pool_of(cell: Cell, sizes: Sizes, work: Path) -> Path:
    """The frozen pool of a seed; all cells of a seed share it."""
    folder = work / f"pool-{cell.set}-{cell.seed}-{sizes.pool}"
    if not (folder / artifacts.TEST).exists():
        folder.mkdir(parents=True, exist_ok=True)
        task = cell.set.removeprefix("practice-")
        spare = sizes.pool // 10
        source = f"practice:{task}?n={sizes.pool + spare}&seed={100 + cell.seed}&difficulty=0"
        tested = f"practice:{task}?n={sizes.tested}&seed=99&difficulty=0"
        data.freeze(Data(train=source, test=tested, limit_train=sizes.pool), folder)
    return folder


def rationales(questions: Sequence[Question], cell: Cell) -> list[Rationale]:
    """The expert's rationales, the cell's share of them degraded in its way."""
    pool = [worked(question) for question in questions]
    told = pool if cell.method == CLEAN else degrade(cell.method, pool, cell.share, cell.seed)
    return [
        Rationale(question.id, 0, EXPERT, prompts.completion(one.explanation, one.answer), one.answer, True, "")
        for question, one in zip(questions, told, strict=True)
    ]


def worked(question: Question) -> Worked:
    """What the expert says to a question of a practice task, and what it says when it errs."""
    (text, answer), slip = (_explained(question, error) for error in (False, True))
    return Worked(text, answer, slip)


def _explained(question: Question, error: bool) -> tuple[str, str]:
    reply = practice.explain(question, phrasing=0, error=error)
    answer = read_answer(reply, question)
    assert answer is not None  # the expert ends with its answer line
    return prompts.explanation(reply), answer


def plan() -> Iterator[Cell]:
    """Seed by seed: clean, then every way at each share, the largest first."""
    for seed in SEEDS:
        yield Cell(SET, 0.0, CLEAN, seed)
        yield from cells([(SET, share) for share in SHARES], [seed], list(KINDS))


def study(quick: bool, work: Path) -> experiment.Study:
    if quick:
        sizes = Sizes(
            40, 8, Student(base=shallow(work, 4), shrink=Shrink(layers=2, vocabulary="task"), steps=4, batch=2), 16
        )
        todo = [Cell(SET, 0.0, CLEAN, 0), Cell(SET, 0.5, "wrong answer", 0)]
    else:
        sizes, todo = Sizes(), list(plan())
    against = {"share": 0.0, "method": CLEAN}
    return experiment.Study(
        todo, lambda cell: measured(cell, sizes, work), against, figures=("parse_failures", "last_loss")
    )


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "degraded-rationales", study)
