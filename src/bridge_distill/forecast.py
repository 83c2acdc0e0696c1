"""What a run would cost before anything is paid: money with its bound, time, disk, and what is done."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, data, rounds, teacher
from bridge_distill.config import Assistant, Run
from bridge_distill.engine.stage import RECORD, Stage
from bridge_distill.models.bases import EMBEDDED
from bridge_distill.models.runtime import gemm_rate
from bridge_distill.operations import operations
from bridge_distill.pipeline import arm_scope, learner_of, stages
from bridge_distill.records import Question
from bridge_distill.runfile import RunFile


def forecast(file: RunFile) -> dict[str, Any]:
    """Cost of the teacher (see ``teacher.plan``), seconds and bytes to come, and the stages that are done.

    ``arms`` holds the same for each arm that asks other questions or another teacher than the run does.
    Sources are read once and never held, however many arms draw from them.
    """
    run = file.run
    folder = run.runs / run.name
    plan = stages(run, run.name, run.assistant)
    plans = {name: stages(arm, arm_scope(run, name), learner_of(file, arm)) for name, arm in file.arms.items()}
    with tempfile.TemporaryDirectory() as spare, _without_collector():
        pools = Pools(Path(spare))
        return {
            "run": run.name,
            **_forecast(run, run.assistant, run.name, plan, folder, len(plans), pools),
            "arms": {
                name: _forecast(
                    arm, learner_of(file, arm), arm_scope(run, name), plans[name], folder / "arms" / name, 0, pools
                )
                for name, arm in file.arms.items()
                if _bought(plans[name]) != _bought(plan)
            },
        }


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the search for reference cycles: rows of a pool make none, and millions of them set it off for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Pools:
    """The pools of a run and its arms, by the settings of their data stages."""

    def __init__(self, spare: Path) -> None:
        self._spare = spare
        self._read: dict[str, data.Pool] = {}

    def of(self, run: Run, stage: Stage, folder: Path, done: bool) -> data.Pool:
        """The pool that the data stage left in ``folder``, or will leave."""
        key = json.dumps(stage.settings, sort_keys=True)
        if key not in self._read:
            scratch = self._spare / str(len(self._read))
            scratch.mkdir()
            self._read[key] = data.frozen_pool(folder) if done else data.open_pool(run.data, scratch)
        return self._read[key]


def _bought(plan: Sequence[Stage]) -> list[Mapping[str, Any]]:
    """What decides which replies a run buys."""
    last = [stage.name for stage in plan].index("teach")
    return [stage.settings for stage in plan[: last + 1]]


def _forecast(
    run: Run,
    learner: Assistant | None,
    scope: str,
    plan: Sequence[Stage],
    folder: Path,
    arms: int,
    pools: Pools,
) -> dict[str, Any]:
    names = [stage.name for stage in plan]
    done = [name for name in names if (folder / name / RECORD).exists()]
    pool = pools.of(run, plan[names.index("data")], folder / "data", "data" in done)
    asked, basis = _asked(run, pool, folder, done)
    paid = asked if isinstance(asked, int) else len(asked)
    assert run.store is not None  # the run file's reader filled it in
    to_do = [name for name in names if name not in done]
    work = operations(run, learner, pool, paid, arms)
    rate = gemm_rate()
    seconds = None if work is None else {name: round(work[name] / rate, 1) for name in to_do if name in work}
    return {
        "pool": pool.size,
        "test": pool.test,
        "rejected": pool.rejected,
        "questions": paid,
        "basis": basis,
        "teacher": teacher.plan(run.teacher, run.budget, scope, pool, pool.size, asked, run.store),
        "done": done,
        "to_do": to_do,
        "seconds": None if seconds is None else round(sum(seconds.values()), 1),
        "stage_seconds": seconds,
        "disk_bytes": _disk(run),
    }


def in_words(found: dict[str, Any]) -> str:
    """The forecast for a person."""
    parts = [f"run {found['run']}:", *_lines(found)]
    for name, arm in found["arms"].items():
        parts += [f"arm {name}, which buys apart:", *_lines(arm)]
    return "\n".join(parts)


def _lines(found: dict[str, Any]) -> list[str]:
    cost = found["teacher"]
    price, mode = cost["price"], cost["modes"][cost["mode"]]
    priced = "none"
    if price:
        priced = f"${price['input']} in, ${price['output']} out for a million tokens ({cost['price_source']})"
    left_out = ", ".join(f"{number} {reason}" for reason, number in found["rejected"].items())
    until = f", until budget.{mode['stopped_by']} stops it" if mode["stopped_by"] else ""
    seconds, disk = found["seconds"], found["disk_bytes"]
    return [
        f"  {found['pool']} training and {found['test']} test questions",
        *([f"  left out of training: {left_out}"] if left_out else []),
        f"  teacher {cost['model']}, price {priced}",
        f"  to ask: {mode['requests']} requests about {found['questions']} questions ({found['basis']}){until}",
        f"  already bought: {cost['from_store']} replies",
        *_mode_lines(cost),
        *_cap_lines(cost),
        f"  time here: about {seconds / 60:.0f} minutes" if seconds is not None else "  time: unknown for these bases",
        *(f"    {name}: {each / 60:.1f} minutes" for name, each in (found["stage_seconds"] or {}).items()),
        f"  disk: at most {disk / 1e9:.1f} GB" if disk is not None else "  disk: unknown for these bases",
        f"  done: {', '.join(found['done']) or 'nothing yet'}; to do: {', '.join(found['to_do']) or 'nothing'}",
    ]


def _mode_lines(cost: dict[str, Any]) -> list[str]:
    """What the way of asking that is set comes to, and the other way, where the provider has one."""
    mode = cost["modes"][cost["mode"]]
    lines = [f"  expected: {_spent(mode['expected'])}", f"  at most:  {_spent(mode['worst'])}"]
    if mode["seconds_at_limits"] is not None:
        lines.append(f"  the teacher's rate limits take at least {mode['seconds_at_limits'] / 60:.0f} minutes")
    for name, other in cost["modes"].items():
        if name != cost["mode"]:
            way = "in batches" if name == "batch" else "one request at a time"
            expected, worst = other["expected"]["usd"], other["worst"]["usd"]
            lines.append(f"  {way} instead: {other['requests']} requests, expected ${expected}, at most ${worst}")
    return lines


def _spent(spend: dict[str, Any]) -> str:
    return f"{spend['input_tokens']} + {spend['output_tokens']} tokens, ${spend['usd']}"


def _cap_lines(cost: dict[str, Any]) -> list[str]:
    lines = []
    for level, caps in cost["caps"].items():
        told = ", ".join(f"{name} {cap}" for name, cap in caps.items() if cap is not None)
        spent = f"${cost['spent'][level]['usd']}"
        if level == "run":
            lines.append(f"  caps: {told}; spent by this run so far: {spent}")
        elif told:
            lines.append(f"  caps of the {level}: {told}; spent so far: {spent}")
    return lines


def _asked(run: Run, pool: data.Pool, folder: Path, done: list[str]) -> tuple[Sequence[Question] | int, str]:
    """The chosen questions, best first, or, before they are chosen, how many they will be."""
    if "select" in done:
        chosen = artifacts.chosen(folder / "select")
        wanted = {choice.question_id for choice in chosen}
        by_id = {question.id: question for question in pool if question.id in wanted}
        return [by_id[choice.question_id] for choice in chosen], "those chosen"
    count = min(rounds.affordable(run, pool.size), pool.size)
    return count, "not chosen yet, so expected as the average and bounded by the longest"


def _disk(run: Run) -> int | None:
    """Bytes at the most: models at 4 bytes a weight, and two checkpoints of weights and two moments each."""
    helpers = [run.assistant.base] if run.assistant else []
    bases = [run.student.base, *helpers, *(helpers if run.questions.amount else [])]
    if not set(bases) <= EMBEDDED.keys():
        return None
    more = run.select.rounds - 1 + (run.assistant.improve.rounds if run.assistant else 0)
    of_rounds = sum(4 * EMBEDDED[base].parameters * more for base in helpers)
    return of_rounds + sum(4 * EMBEDDED[base].parameters * (1 + 2 * 3) for base in bases)
