"""The whole flow on one screen: a run file becomes stages, in order, for the run and for each arm.

Score, select and teach, which a budget may be spent in several rounds of, stand in ``rounds``; the assistant, which
may go on learning from itself, stands in ``improving``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge_distill import assistant, data, evaluating, improving, new_questions, rounds, selection, student, teacher
from bridge_distill.answers import answer_forms
from bridge_distill.config import Assistant, Run, Tutor
from bridge_distill.engine.claims import lock
from bridge_distill.engine.stage import RECORD, Runner, Stage, write_json
from bridge_distill.engine.together import check_batch
from bridge_distill.engine.tracking import check_trackers, tell_figures, tracking
from bridge_distill.errors import UserError, nearest
from bridge_distill.models.bases import base_digest, check_base
from bridge_distill.models.generator import check_engine
from bridge_distill.models.runtime import check_device
from bridge_distill.runfile import RunFile


def stages(run: Run, scope: str, learner: Assistant | None) -> list[Stage]:
    """Every stage of a run, in order, with what decides its output; ``scope`` is whom the ledger charges.

    ``learner`` is the assistant that rounds of buying tune, of an arm without one that of the run.
    """
    made = [
        Stage(
            "data",
            {"data": run.data.identity(), "sources": data.digest(run.data)},
            (),
            lambda at: data.freeze(run.data, at.folder),
        ),
        *rounds.buying(run, scope, learner),
    ]
    learns_from = ["teach"]
    if run.assistant is not None and run.tutor is not None:
        made += [*improving.tuning(run, run.assistant), _tutoring(run, run.assistant, run.tutor)]
        learns_from.append("tutor")
        added = new_questions.stages(run, run.assistant, run.tutor)
        made += added
        learns_from += [stage.name for stage in added[-1:]]
    made.append(_student(run, learns_from))
    return made + evaluating.evaluations(run)


def _student(run: Run, learns_from: list[str]) -> Stage:
    """The student, which depends on what its curriculum needs and on nothing else."""
    needs = student.needs(run.student)
    taught_by = learns_from if student.RATIONALES in needs else []
    asked = ["assistant"] if student.ASSISTANT in needs else []
    return Stage(
        "student",
        {
            "student": student.identity(run.student),
            "base": base_digest(run.student.base, "student.base"),
            "seed": run.seed,
        },
        ("data", *taught_by, *asked),
        lambda at: student.teach_student(
            run.student,
            at["data"],
            [at[name] for name in taught_by],
            at["assistant"] if asked else None,
            at.folder,
            at.scratch,
            run.compute,
            run.seed,
        ),
    )


def _tutoring(run: Run, learner: Assistant, tutor: Tutor) -> Stage:
    guided = evaluating.plan_inputs(tutor.guide)
    return Stage(
        "tutor",
        {
            "tutor": tutor.identity(),
            "seed": run.seed,
            **rounds.asked_by(learner),
            **evaluating.plan_settings(run, tutor.guide),
        },
        ("data", "assistant", *guided, *(["score"] if guided else [])),
        lambda at: assistant.tutor(
            tutor,
            at["data"],
            at["assistant"],
            at.folder,
            at.scratch,
            run.compute,
            run.seed,
            learner.levels,
            evaluating.plans(run, tutor.guide, "tutor.guide", at, of_pool=True),
        ),
    )


def check(run: Run, learner: Assistant | None, with_key: bool) -> None:
    """Raise ``UserError`` for any name that no part answers to, before anything is computed or paid.

    ``learner`` is as in ``stages``.
    """
    for form in run.data.forms:
        answer_forms.get(form, "data.answer")
    selection.check_score(run.score)
    selection.check(run.select)
    teacher.check(run.teacher, run.budget, with_key)
    check_engine(run.compute)
    check_device(run.compute)
    check_trackers(run.compute.report_to)
    check_base(*rounds.scorer(run, learner))
    check_base(run.student.base, "student.base")
    check_batch(run.student.batch, "student.batch")
    if run.assistant is not None:
        check_base(run.assistant.base, "assistant.base")
        check_batch(run.assistant.batch, "assistant.batch")
        assistant.check(run.assistant, run.teacher.trace)
        assistant.check_filters(run.assistant.improve, "assistant.improve")
    if run.tutor is not None:
        assistant.check_filters(run.tutor, "tutor")
    evaluating.check(run)
    student.check(run.student, with_assistant=run.assistant is not None)


def execute(file: RunFile, rebuild: list[str], until: str | None, command: str) -> Path:
    """Run every stage of the run and its arms that is not done yet; returns the run's folder."""
    run = file.run
    folder = run.runs / run.name
    for each in (run, *file.arms.values()):
        check(each, learner_of(file, each), with_key=not (folder / "teach" / RECORD).exists())
    plan = stages(run, run.name, run.assistant)
    arm_plans = {name: stages(arm, arm_scope(run, name), learner_of(file, arm)) for name, arm in file.arms.items()}
    names = [stage.name for stage in plan]
    _check_stages(names, rebuild, until)
    made: dict[str, Path] = {}
    arms: dict[str, dict[str, Path]] = {name: {} for name in file.arms}

    def note() -> None:
        write_json(folder / "run.json", _description(file, command, names, made, arms))

    with lock(folder), tracking(run.compute.report_to, run.name, folder):
        note()
        runner = Runner(folder, rebuild, run.seed)
        _run_stages(runner, plan, folder, until, {}, made, note)
        for name, arm_plan in arm_plans.items():
            _run_stages(runner, arm_plan, folder / "arms" / name, until, made, arms[name], note)
        runner.end()
        found = [made, *arms.values()]
        tell_figures({path.relative_to(folder).as_posix(): path for each in found for path in each.values()})
    return folder


def arm_scope(run: Run, arm: str) -> str:
    """Whom the ledger charges for what only an arm buys: an arm has the budget that its settings say."""
    return f"{run.name}/{arm}"


def learner_of(file: RunFile, arm: Run) -> Assistant | None:
    """The assistant that an arm's rounds tune: its own, else the run's, so that an arm without shares the replies."""
    return arm.assistant or file.run.assistant


def _check_stages(names: list[str], rebuild: list[str], until: str | None) -> None:
    known = {*names, *(name.split("/")[0] for name in names)}
    for name, place in [*((stage, "--rebuild") for stage in rebuild), *([(until, "--until")] if until else [])]:
        if name not in known:
            raise UserError(place, f"unknown stage {name!r}", nearest(name, names))


def _run_stages(
    runner: Runner,
    plan: list[Stage],
    below: Path,
    until: str | None,
    shared: dict[str, Path],
    made: dict[str, Path],
    note: Callable[[], None],
) -> None:
    """Run stages in order and enter the folder of each into ``made`` as soon as it is done."""
    for stage in plan:
        made[stage.name] = runner.do(stage, below, made, shared)
        note()
        if until == stage.name or (until == stage.name.split("/")[0] and stage is _last_of(plan, stage)):
            break


def _last_of(plan: list[Stage], stage: Stage) -> Stage:
    """The last stage of a stage's family, such as the last evaluation."""
    return [other for other in plan if other.name.split("/")[0] == stage.name.split("/")[0]][-1]


def _description(
    file: RunFile, command: str, plan: list[str], made: dict[str, Path], arms: dict[str, dict[str, Path]]
) -> dict[str, Any]:
    folder = file.run.runs / file.run.name

    def relative(found: dict[str, Path]) -> dict[str, str]:
        return {name: path.relative_to(folder).as_posix() for name, path in found.items()}

    return {
        "name": file.run.name,
        "command": command,
        "config": file.run.model_dump(mode="json"),
        "plan": plan,
        "stages": relative(made),
        "arms": {name: relative(found) for name, found in arms.items()},
    }
