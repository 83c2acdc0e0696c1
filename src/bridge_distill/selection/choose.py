"""Select: rank the questions worth paying for, and write down why for each, chosen or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill import artifacts
from bridge_distill.config import Select
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Choice
from bridge_distill.selection.contract import Pick, Pool, Selector, selectors
from bridge_distill.selection.parallel import usable_threads
from bridge_distill.selection.ranking import check_needs, make_selector, rank, settings_of
from bridge_distill.selection.rounds import Round

HELD_OUT = "held out, to test the assistant of each round"


def check(settings: Select) -> None:
    """Raise ``UserError`` for a method or option that is unknown, or a method that a run has not what it needs for."""
    settings_of(settings.method, settings.options)
    check_needs(settings.method, frozenset({"embeddings", "difficulty"}))


def check_order(settings: Select, pool: int) -> None:
    """Raise ``UserError`` for a method that orders one count of questions, where buying may end among all ``pool``."""
    if not selectors.get(settings.method, "select.method").prefix:
        problem = f"{settings.method} chooses a count of questions, and this budget may end anywhere among all {pool}"
        cure = "set budget.queries lower, or take a method with the prefix property (docs/selection.md)"
        raise UserError("select.method", problem, cure)


def identity(settings: Select) -> dict[str, Any]:
    """What decides a choice, with every option that was left out at its default."""
    options = settings_of(settings.method, settings.options).identity()
    return {"method": settings.method, "options": options}


def choose(
    settings: Select,
    count: int,
    data: Path,
    score: Path,
    folder: Path,
    seed: int,
    threads: int | None = None,
    round_: Round | None = None,
) -> dict[str, Any]:
    """Write a ``Choice`` for each training question, ``count`` of them chosen and ranked; returns figures.

    In a round of several, what earlier ones bought ranks first and is not chosen again; ``count`` more are chosen,
    maybe none.
    """
    selector = make_selector(settings.method, settings.options, seed, threads or usable_threads())
    pool = _read_pool(data, score)
    ids = [str(name) for name in pool.ids]
    bought = [] if round_ is None else list(round_.bought)
    picks = _new(selector, pool, count, round_)
    left = f"not among the first {len(bought) + len(picks)} of {settings.method}"
    choices = {name: Choice(name, False, None, None, left) for name in ids}
    if round_ is not None:
        choices |= {name: replace(choices[name], reason=HELD_OUT) for name in round_.held_out}
    for rank_, choice in enumerate(bought):
        choices[choice.question_id] = replace(choice, rank=rank_)
    when = "" if round_ is None else f"round {round_.number}: "
    for rank_, pick in enumerate(picks, start=len(bought)):
        choices[ids[pick.index]] = Choice(ids[pick.index], True, rank_, pick.gain, when + pick.reason)
    write_rows(folder / artifacts.CHOICES, Choice, choices.values())
    chosen = [row for row, name in enumerate(ids) if choices[name].chosen]
    return {
        "pool": len(pool),
        "chosen": len(chosen),
        "method": settings.method,
        "mean_difficulty_of_chosen": float(np.mean(pool.hardness[chosen])),
        **({} if round_ is None else {"new": len(picks)}),
    }


def _new(selector: Selector[Any], pool: Pool, count: int, round_: Round | None) -> list[Pick]:
    """What to choose beside what is bought, of what is not held out."""
    if round_ is None:
        return rank(selector, pool, count)
    if count < 1:
        return []
    row = {str(name): at for at, name in enumerate(pool.ids)}
    taken = np.array([row[choice.question_id] for choice in round_.bought], dtype=np.int64)
    free = np.array([at for name, at in row.items() if name not in round_.held_out], dtype=np.int64)
    return rank(selector, replace(pool, taken=taken), count, free)


def _read_pool(data: Path, score: Path) -> Pool:
    rows = artifacts.scores(score)
    return Pool(
        [row.question_id for row in rows],
        artifacts.embeddings(score),
        np.array([row.difficulty for row in rows]),
        [question.domain for question in artifacts.train_questions(data)],
        artifacts.signals(score),
        weighted=artifacts.weighted(score),
    )
