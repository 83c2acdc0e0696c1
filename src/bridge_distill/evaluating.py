"""The part of the flow that tests: each model on the test questions, then each guide on the guided model.

It also finds the strategies that a guide gives, for tests and for the tutor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, evaluation, rounds
from bridge_distill.assistant.strategies import with_strategies
from bridge_distill.config import Guide, Run
from bridge_distill.engine.fingerprint import digest_folder, fingerprint
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.engine.stage import Bench, Stage
from bridge_distill.errors import UserError
from bridge_distill.guidance import Guidance, Plans, Traced, make_plans
from bridge_distill.kinds import kinds
from bridge_distill.models.bases import base_digest
from bridge_distill.records import Question

PLANS_NEED = "set teacher.trace: hierarchical, assistant.strategies: clusters, or its strategy to own"


def evaluations(run: Run) -> list[Stage]:
    """The test of each model under ``evaluate.guide`` or none, one for each of ``evaluate.guides``, then benchmarks."""
    tested = [name for name in run.evaluate.models if name != "assistant" or run.assistant is not None]
    made = [_test(run, f"evaluate/{name}", name, run.evaluate.guide) for name in tested]
    if run.evaluate.guided in tested:
        guides = run.evaluate.guides.items()
        made += [_test(run, f"guide/{name}", run.evaluate.guided, guide) for name, guide in guides]
    return made + ([_benchmark(run, name) for name in tested] if run.evaluate.harness.tasks else [])


def check(run: Run) -> None:
    """Raise ``UserError`` for a guide or benchmark that cannot work here, before anything is computed or paid."""
    evaluation.check_harness(run.evaluate.harness)
    named = {f"evaluate.guides.{name}": guide for name, guide in run.evaluate.guides.items()}
    guides = {
        "evaluate.guide": run.evaluate.guide,
        "tutor.guide": run.tutor.guide if run.tutor is not None else None,
        **named,
    }
    for place, guide in guides.items():
        if guide is not None:
            _check(run, place, guide)


def plan_inputs(guide: Guide | None) -> tuple[str, ...]:
    """The stages that the strategies of a guide come from."""
    return () if guide is None or guide.strategy == "own" else ("teach",)


def plan_settings(run: Run, guide: Guide | None) -> dict[str, Any]:
    """What decides those strategies beside the stages that they come from."""
    return {"strategies": run.assistant.strategies} if plan_inputs(guide) and run.assistant is not None else {}


def plans(run: Run, guide: Guide | None, place: str, at: Bench, of_pool: bool = False) -> Plans | None:
    """The strategies that a guide gives, None where it gives none; ``of_pool``: to the pool's own questions.

    Raises ``UserError`` where no paid rationale has one.
    """
    if guide is None or guide.strategy == "own":
        return None
    paid = [row for row in artifacts.rationales(at["teach"]) if row.kept]
    asked = {row.question_id for row in paid}
    pool = enumerate(iterate_rows(at["data"] / artifacts.TRAIN, Question))
    known = {question.id: (question, row) for row, question in pool if question.id in asked}
    if run.assistant is not None and run.assistant.strategies == "clusters":
        paid = with_strategies({name: question for name, (question, _) in known.items()}, paid, kinds, run.seed)
    traced = [
        Traced(known[row.question_id][0], row.strategy, known[row.question_id][1]) for row in paid if row.strategy
    ]
    if not traced:
        raise UserError(f"{place}.strategy", "no paid rationale has a strategy to give", PLANS_NEED)
    vectors = artifacts.embeddings(at["score"]) if of_pool else None
    return make_plans(guide.strategy, traced, kinds, run.seed, vectors)


def _benchmark(run: Run, name: str) -> Stage:
    """The standard benchmarks of one model."""
    harness = run.evaluate.harness
    settings: dict[str, Any] = {"harness": harness.identity()}
    if harness.folder is not None:
        settings["folder"] = fingerprint("folder", {}, digest_folder(Path(harness.folder)))
    if name == "base":
        settings["base"] = base_digest(run.student.base, "student.base")
    return Stage(
        f"harness/{name}",
        settings,
        () if name == "base" else (name,),
        lambda at: evaluation.score_by_harness(
            harness, name, run.student.base if name == "base" else str(at[name] / artifacts.MODEL), run.compute
        ),
    )


def _test(run: Run, stage: str, name: str, guide: Guide | None) -> Stage:
    settings: dict[str, Any] = {"max_new_tokens": run.evaluate.max_new_tokens}
    inputs, asked = ["data"], {}
    if name == "base":
        settings["base"] = base_digest(run.student.base, "student.base")
    else:
        inputs.append(name)
    if name == "assistant" and run.assistant is not None:
        asked = rounds.asked_by(run.assistant)
    if guide is not None:
        settings |= {"guide": guide.identity(), "seed": run.seed}
    place = "evaluate.guide" if stage.startswith("evaluate/") else f"evaluate.guides.{stage.removeprefix('guide/')}"
    return Stage(
        stage,
        settings | asked | plan_settings(run, guide),
        (*inputs, *plan_inputs(guide)),
        lambda at: evaluation.grade(
            run.evaluate,
            name,
            run.student.base if name == "base" else str(at[name] / artifacts.MODEL),
            artifacts.test_questions(at["data"]),
            at.folder,
            at.scratch,
            run.compute,
            asked.get("levels", "joint"),
            Guidance(guide, plans(run, guide, place, at), run.seed) if guide is not None else None,
        ),
    )


def _check(run: Run, place: str, guide: Guide) -> None:
    traced = run.teacher.trace != "flat" or (run.assistant is not None and run.assistant.strategies == "clusters")
    if guide.strategy != "own" and not traced:
        problem = f"{guide.strategy} gives strategies of paid rationales, which have none"
        raise UserError(f"{place}.strategy", problem, PLANS_NEED)
    limit = run.tutor.max_new_tokens if place == "tutor.guide" and run.tutor else run.evaluate.max_new_tokens
    if guide.ceiling is None and guide.floor >= limit:
        problem = f"{guide.floor} leaves no room within {limit} tokens"
        raise UserError(f"{place}.floor", problem, "lower it, or raise max_new_tokens")
    guided: dict[str, Sequence[str]] = {"tutor.guide": ["assistant"], "evaluate.guide": run.evaluate.models}
    by_level = run.assistant is not None and run.assistant.levels == "tasks"
    if by_level and "assistant" in guided.get(place, [run.evaluate.guided]):
        problem = "guides an assistant that is asked level by level, and a guide's replies are written in one go"
        raise UserError(place, problem, "set assistant.levels to joint or staged, or leave the guide out")
