"""Compare any two tested models, of one run or of two, on the test questions that both answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.errors import UserError, nearest
from bridge_distill.records import Question, Verdict
from bridge_distill.report.folder import RunFolder, graded, open_run
from bridge_distill.report.scores import difference, scores


@dataclass(frozen=True)
class _Side:
    """One of the two: whose it is, its name for people, its verdicts, and the questions that it was asked."""

    run: Path
    arm: str
    name: str
    verdicts: list[Verdict]
    contexts: dict[str, int] | None
    questions: dict[str, Question]


def compare(runs: Sequence[Path], arms: Sequence[str]) -> dict[str, Any]:
    """The scores of two models and the paired difference, the first minus the second, in percentage points.

    ``runs`` are one or two run folders; ``arms`` say whom of each: an arm, whose student it is, or the run's own
    ``student`` (where left out), ``assistant`` or ``base``. The difference has McNemar's exact p, or one clustered by
    the contexts that questions share. Raises ``UserError`` where there are not two models, or no question that both
    answered.
    """
    if not runs or len(runs) > 2 or len(arms) > 2:
        raise UserError("compare", "takes two models", "give two runs, or one run with --arm A --arm B")
    folders = [open_run(path) for path in runs]
    # The one arm that is named of one run is compared with that run's own student.
    first = arms[0] if arms and len(arms) + len(runs) > 2 else "student"
    sides = [_side(folders[0], first), _side(folders[-1], arms[-1] if arms else "student")]
    if (sides[0].run, sides[0].arm) == (sides[1].run, sides[1].arm):
        raise UserError("compare", f"{sides[0].name} is compared with itself", "name another run, or --arm A --arm B")
    _check_questions(*sides)
    found = difference(sides[0].verdicts, sides[1].verdicts, sides[0].contexts)
    if found is None:
        raise UserError("compare", "the two answered no question in common", "run both on the same test questions")
    asked = set.intersection(*({verdict.question_id for verdict in side.verdicts} for side in sides))
    return {
        "models": [
            {"name": side.name, **scores([one for one in side.verdicts if one.question_id in asked], side.contexts)}
            for side in sides
        ],
        "unpaired": [len(side.verdicts) - len(asked) for side in sides],
        "difference": found,
    }


def in_words(found: Mapping[str, Any]) -> str:
    """The comparison for a person."""
    lines = [
        f"{model['name']}: {100 * model['accuracy']:.1f}% [{100 * model['low']:.1f}, {100 * model['high']:.1f}] "
        f"of {model['n']} questions"
        for model in found["models"]
    ]
    if any(found["unpaired"]):
        lines.append(f"left out, since only one of the two answered them: {sum(found['unpaired'])}")
    gap = found["difference"]
    test = f"p over {gap['contexts']} contexts" if "contexts" in gap else "exact McNemar p"
    told = f"{gap['points']:+.1f} points [{gap['low']:+.1f}, {gap['high']:+.1f}], {test} = {gap['p']:.3g}"
    if gap["resolved"]:
        return "\n".join([*lines, f"difference: {told}"])
    limit = gap["detectable"]
    power = f"; about {limit:.1f} points would show in four of five such tests" if limit is not None else ""
    return "\n".join([*lines, f"difference: {told}: not resolved{power}"])


def _side(run: RunFolder, arm: str) -> _Side:
    models = {model.key: model for model in graded(run)}
    if arm not in models:
        known = nearest(arm, models) if models else "none of its models has been tested yet"
        raise UserError(f"--arm {arm}", f"is no tested model of {run.path}", known)
    model = models[arm]
    data = run.folder("data", model.arm)
    asked = artifacts.test_questions(data) if data is not None else []
    questions = {question.id: question for question in asked}
    return _Side(run.path.resolve(), arm, f"{run.path}, {arm}", model.verdicts, model.contexts, questions)


def _check_questions(one: _Side, other: _Side) -> None:
    for name in sorted(one.questions.keys() & other.questions.keys()):
        left, right = one.questions[name], other.questions[name]
        if (left.text, left.choices, left.answer) != (right.text, right.choices, right.answer):
            problem = f"question {name} is another one in {other.name} than in {one.name}"
            raise UserError("compare", problem, "compare runs with the same test questions")
