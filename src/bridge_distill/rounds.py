"""The part of the flow that spends the budget: score, select and teach, and in several rounds what lies between.

After each round but the last the assistant is tuned on what was bought and answers questions that are never bought;
it scores the pool anew, and the next batch is chosen given what is covered. The stages of the last round have
plain names, those of earlier ones ``round-N/`` before them; the first scoring is plain ``score``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from bridge_distill import artifacts, assistant, evaluation, selection, teacher
from bridge_distill.config import Assistant, Run
from bridge_distill.engine.rows import count_rows
from bridge_distill.engine.stage import Bench, Stage, skipped
from bridge_distill.errors import UserError
from bridge_distill.kinds import kinds
from bridge_distill.models.bases import base_digest
from bridge_distill.records import Choice, Question


def buying(run: Run, scope: str, learner: Assistant | None) -> list[Stage]:
    """Every stage up to the last reply; ``scope`` is whom the ledger charges, ``learner`` what earlier rounds tune.

    Raises ``UserError`` for rounds that nothing learns from, and for a rule to stop that has no price to go by.
    """
    _check(run, learner)
    made: list[Stage] = []
    last = run.select.rounds
    for number in range(1, last):
        assert learner is not None  # checked above
        stages = [_score(run, learner, number), _select(run, number), _teach(run, scope, number)]
        made += _unless_stopped(run, number, [*stages, *_tuned(run, learner, number)])
    return [
        *made,
        *_unless_stopped(run, last, [_score(run, learner, last)]),
        _select(run, last),
        _teach(run, scope, last),
    ]


def tested_last(run: Run, learner: Assistant, tuned: str) -> list[Stage]:
    """After several rounds, the test of the assistant ``tuned`` on every reply, and the whole learning curve."""
    last = run.select.rounds
    return [] if last == 1 else _unless_stopped(run, last, _tested(run, learner, last, tuned))


def asked_by(learner: Assistant) -> dict[str, Any]:
    """What decides how a tuned assistant is asked, where it is not in one go."""
    return {"levels": learner.levels} if learner.levels == "tasks" else {}


def scorer(run: Run, learner: Assistant | None) -> tuple[str, str]:
    """The base that scores the pool first, the assistant before it is tuned, and the setting that names it.

    ``learner`` is an arm's own assistant, else that of the run: an arm without one asks the same questions.
    """
    if run.score.base is not None:
        return run.score.base, "score.base"
    return (learner.base, "assistant.base") if learner is not None else (run.student.base, "student.base")


def affordable(run: Run, pool: int) -> int:
    """How many of ``pool`` questions the cap on queries pays for; the whole pool where there is none."""
    queries = teacher.most_queries(run.budget, pool)
    return pool if queries is None else max(1, queries // run.teacher.samples)


def _check(run: Run, learner: Assistant | None) -> None:
    if run.select.rounds > 1 and learner is None:
        cure = "set assistant and tutor, or select.rounds to 1"
        raise UserError("select.rounds", f"{run.select.rounds} rounds tune an assistant, and there is none", cure)
    if run.select.rounds > 1 and learner is not None and learner.levels == "tasks":
        problem = "learns levels apart, and a pool is scored by explanations written in one go"
        raise UserError("assistant.levels", f"tasks {problem}", "set it to joint or staged, or select.rounds to 1")
    if run.select.stop_below is not None:
        found = teacher.price_of(run.teacher)
        if found is None or not (found[0].input or found[0].output):
            problem = f"{run.select.stop_below:g} points a dollar need a price, which this teacher has not"
            raise UserError("select.stop_below", problem, "give one in teacher.prices, or leave stop_below out")


def _check_order(run: Run, pool: int) -> None:
    """Refuse to spend money down the whole pool where its order is no choice."""
    if affordable(run, pool) >= pool and teacher.caps_more_than_queries(run.budget):
        selection.check_order(run.select, pool)


def _name(run: Run, stage: str, number: int) -> str:
    plain = number == 1 if stage == "score" else number == run.select.rounds
    return stage if plain else f"round-{number}/{stage}"


def _names(run: Run, stages: Sequence[str], last: int) -> list[str]:
    return [_name(run, stage, number) for number in range(1, last + 1) for stage in stages]


def _score(run: Run, learner: Assistant | None, number: int) -> Stage:
    settings = {
        "score": run.score.identity(),
        "embedder": selection.embedder_digest(run.score.embedder),
        "seed": run.seed,
        **selection.draws(run.score),
    }
    if number == 1:
        base, place = scorer(run, learner)
        first = {**settings, "base": base_digest(base, place)}
        return Stage("score", first, ("data",), lambda at: _scored_first(run, base, place, at))
    tuned = _name(run, "assistant", number - 1)
    return Stage(
        _name(run, "score", number),
        settings,
        ("data", tuned),
        lambda at: _scored(run, str(at[tuned] / artifacts.MODEL), tuned, at),
    )


def _scored_first(run: Run, base: str, place: str, at: Bench) -> dict[str, Any]:
    """Refuse what cannot be chosen, such as a pool too small for its rounds, before it is read for hours."""
    _check_order(run, count_rows(at["data"] / artifacts.TRAIN))
    if run.select.rounds > 1:
        _round_of(run, 1, artifacts.train_questions(at["data"]))
    return _scored(run, base, place, at)


def _scored(run: Run, base: str, place: str, at: Bench) -> dict[str, Any]:
    return selection.score(run.score, base, place, at["data"], at.folder, at.scratch, run.compute, run.seed)


def _select(run: Run, number: int) -> Stage:
    rounds = run.select.rounds
    settings = {
        "select": selection.identity(run.select),
        "queries": run.budget.queries,
        "samples": run.teacher.samples,
        "seed": run.seed,
    }
    if rounds > 1:
        settings |= {"round": number, "rounds": rounds, "held_out": run.select.held_out}
    before = [*_names(run, ["score"], number), *_names(run, ["select", "teach"], number - 1), *_gate(run, number)]
    return Stage(_name(run, "select", number), settings, ("data", *before), lambda at: _choose(run, number, at))


def _choose(run: Run, number: int, at: Bench) -> dict[str, Any]:
    """Choose what the budget pays for, or by the end of a round its share of that, beside what is bought already."""
    pool = count_rows(at["data"] / artifacts.TRAIN)
    _check_order(run, pool)
    count, round_ = affordable(run, pool), None
    if run.select.rounds > 1:
        whole, held = _round_of(run, number, artifacts.train_questions(at["data"]))
        round_ = selection.Round(number, _bought(run, number, at), held)
        count = 0 if _stopped(run, number, at) else whole - len(round_.bought)
    score = at[_made(at, _names(run, ["score"], number))[-1]]
    return selection.choose(run.select, count, at["data"], score, at.folder, run.seed, run.compute.threads, round_)


def _round_of(run: Run, number: int, pool: Sequence[Question]) -> tuple[int, frozenset[str]]:
    """How many questions may be chosen by the end of a round, and the ids of those that may not."""
    held = frozenset(question.id for question in selection.held_out(run.select, pool, run.seed))
    return selection.share(run.select, number, min(affordable(run, len(pool)), len(pool) - len(held))), held


def _bought(run: Run, number: int, at: Bench) -> list[Choice]:
    made = _made(at, _names(run, ["select", "teach"], number - 1))
    return selection.bought(at[made[-2]], at[made[-1]]) if made else []


def _made(at: Bench, names: Sequence[str]) -> list[str]:
    return [name for name in names if skipped(at[name]) is None]


def _teach(run: Run, scope: str, number: int) -> Stage:
    """Ask what is chosen so far. Earlier rounds' replies come from the store; caps grow round by round."""
    rounds, store = run.select.rounds, run.store
    assert store is not None  # the run file's reader filled it in
    chosen = _name(run, "select", number)
    share = Fraction(number, rounds)
    settings: dict[str, Any] = {"teacher": run.teacher.identity(), "budget": run.budget.identity()}
    if number < rounds:
        settings["share"] = str(share)
    return Stage(
        _name(run, "teach", number),
        settings,
        ("data", chosen),
        lambda at: teacher.teach(run.teacher, run.budget, scope, at["data"], at[chosen], store, at.folder, share),
    )


def _tuned(run: Run, learner: Assistant, number: int) -> list[Stage]:
    """The round's assistant, its test and the learning curve so far."""
    taught, name = _name(run, "teach", number), _name(run, "assistant", number)
    return [
        Stage(
            name,
            {
                "assistant": assistant.identity(learner),
                "base": base_digest(learner.base, "assistant.base"),
                "seed": run.seed,
            },
            ("data", taught),
            lambda at: assistant.apprentice(
                learner, at["data"], at[taught], at.folder, at.scratch, run.compute, run.seed, kinds
            ),
        ),
        *_tested(run, learner, number, name),
    ]


def _tested(run: Run, learner: Assistant, number: int, tuned: str) -> list[Stage]:
    """The assistant ``tuned`` in a round on the held-out questions, and the learning curve so far."""
    rounds = range(1, number + 1)
    stop_below = run.select.stop_below if 1 < number < run.select.rounds else None
    return [
        Stage(
            _name(run, "held-out", number),
            {"max_new_tokens": run.evaluate.max_new_tokens, "held_out": run.select.held_out, "seed": run.seed}
            | asked_by(learner),
            ("data", tuned),
            lambda at: evaluation.grade(
                run.evaluate,
                "assistant",
                str(at[tuned] / artifacts.MODEL),
                selection.held_out(run.select, artifacts.train_questions(at["data"]), run.seed),
                at.folder,
                at.scratch,
                run.compute,
                learner.levels,
            ),
        ),
        Stage(
            _name(run, "curve", number),
            {"stop_below": stop_below, "seed": run.seed},
            tuple(_names(run, ["teach", "held-out"], number)),
            lambda at: evaluation.curve(
                [(at[_name(run, "teach", n)], at[_name(run, "held-out", n)]) for n in rounds],
                stop_below,
                at.folder,
                run.seed,
            ),
        ),
    ]


def _gate(run: Run, number: int) -> list[str]:
    """The stage that may have stopped buying before a round, where one can."""
    return [_name(run, "curve", number - 1)] if run.select.stop_below is not None and number > 2 else []


def _stopped(run: Run, number: int, at: Bench) -> str | None:
    """Why nothing is bought in a round."""
    for gate in _gate(run, number):
        reason: str | None = skipped(at[gate]) or artifacts.curve(at[gate])["stop"]
        return reason
    return None


def _unless_stopped(run: Run, number: int, stages: Sequence[Stage]) -> list[Stage]:
    """The stages of a round, to be skipped where nothing is bought in it."""

    def inputs(stage: Stage) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*stage.inputs, *_gate(run, number))))

    return [replace(stage, inputs=inputs(stage), skip=lambda at: _stopped(run, number, at)) for stage in stages]
