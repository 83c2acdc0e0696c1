"""What a run would cost before anything is paid: money with its bound, time, disk, and what is done."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, data, teacher
from bridge_distill.config import Run
from bridge_distill.engine.stage import RECORD
from bridge_distill.models.bases import EMBEDDED
from bridge_distill.pipeline import affordable, arm_scope, scorer, stages
from bridge_distill.records import Question
from bridge_distill.runfile import RunFile

SIGNS_PER_TOKEN = 4
TOKENS_PER_WORD = 1.4
# Shares of the measured GEMM rate that the 135M base reached on two AVX2 cores (docs/experiments.md), and
# the share of its weights that is left when the vocabulary is trimmed.
READING_SHARE = 0.8
WRITING_SHARE = 0.6
TRAINING_SHARE = 0.6
TRIMMED = 0.8


def forecast(file: RunFile) -> dict[str, Any]:
    """Cost of the teacher (see ``teacher.plan``), seconds and bytes to come, and the stages that are done.

    ``arms`` holds the same for each arm that asks other questions or another teacher than the run does.
    """
    run = file.run
    folder = run.runs / run.name
    apart = {name: arm for name, arm in file.arms.items() if _bought(arm) != _bought(run)}
    return {
        "run": run.name,
        **_forecast(run, run.name, folder, len(file.arms)),
        "arms": {name: _forecast(arm, arm_scope(run, name), folder / "arms" / name, 0) for name, arm in apart.items()},
    }


def _bought(run: Run) -> list[dict[str, Any]]:
    """What decides which replies a run buys."""
    return [stage.settings for stage in stages(run, "") if stage.name in ("data", "score", "select", "teach")]


def _forecast(run: Run, scope: str, folder: Path, arms: int) -> dict[str, Any]:
    names = [stage.name for stage in stages(run, scope)]
    done = [name for name in names if (folder / name / RECORD).exists()]
    with tempfile.TemporaryDirectory() as spare:
        at = folder / "data"
        if "data" not in done:
            at = Path(spare)
            data.freeze(run.data, at)
        pool, test = artifacts.train_questions(at), artifacts.test_questions(at)
        asked, basis = _asked(run, pool, at, folder, done)
    assert run.store is not None  # the run file's reader filled it in
    return {
        "pool": len(pool),
        "test": len(test),
        "questions": len(asked),
        "basis": basis,
        "teacher": teacher.plan(run.teacher, run.budget, scope, asked, len(pool), run.store),
        "done": done,
        "to_do": [name for name in names if name not in done],
        "seconds": _seconds(run, pool, test, len(asked), done, arms),
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
    price, expected, worst = cost["price"], cost["expected"], cost["worst"]
    priced = "none"
    if price:
        priced = f"${price['input']} in, ${price['output']} out for a million tokens ({cost['price_source']})"
    caps = ", ".join(f"{name} {cap}" for name, cap in cost["caps"].items() if cap is not None)
    seconds, disk = found["seconds"], found["disk_bytes"]
    return [
        f"  {found['pool']} training and {found['test']} test questions",
        f"  teacher {cost['model']}, price {priced}",
        f"  to ask: {cost['requests']} requests about {found['questions']} questions ({found['basis']})",
        f"  already bought: {cost['from_store']} replies",
        f"  expected: {expected['input_tokens']} + {expected['output_tokens']} tokens, ${expected['usd']}",
        f"  at most:  {worst['input_tokens']} + {worst['output_tokens']} tokens, ${worst['usd']}",
        f"  caps: {caps}; spent by this run so far: ${cost['spent']['usd']}",
        f"  time here: about {seconds / 60:.0f} minutes" if seconds is not None else "  time: unknown for these bases",
        f"  disk: at most {disk / 1e9:.1f} GB" if disk is not None else "  disk: unknown for these bases",
        f"  done: {', '.join(found['done']) or 'nothing yet'}; to do: {', '.join(found['to_do']) or 'nothing'}",
    ]


def _asked(run: Run, pool: list[Question], at: Path, folder: Path, done: list[str]) -> tuple[list[Question], str]:
    """The questions to price: the chosen ones, or, before they are chosen, the longest as a bound."""
    if "select" in done:
        by_id = {question.id: question for question in pool}
        chosen = sorted((c for c in artifacts.choices(folder / "select") if c.chosen), key=lambda c: c.rank or 0)
        return [by_id[choice.question_id] for choice in chosen], "those chosen"
    longest = sorted(pool, key=lambda question: -len(question.text))
    return longest[: affordable(run, at)], "not chosen yet, so priced as the longest"


def _seconds(
    run: Run, pool: list[Question], test: list[Question], paid: int, done: list[str], arms: int
) -> float | None:
    """Rough seconds of the stages to come: operations over the GEMM rate measured now; arms count like a student."""
    reader, _ = scorer(run)
    names = {reader, run.student.base, *([run.assistant.base] if run.assistant else [])}
    if not names <= EMBEDDED.keys():
        return None
    size = {name: TRIMMED * EMBEDDED[name].parameters for name in names}
    prompt = sum(len(question.text) for question in pool) / len(pool) / SIGNS_PER_TOKEN + 30
    reply = run.teacher.max_words * TOKENS_PER_WORD / 2
    layers = run.student.shrink.layers
    share = (layers if isinstance(layers, int) else len(layers)) / 30 if layers else 1.0
    student = size[run.student.base] * share
    steps = run.student.steps or (run.student.epochs or 3) * len(pool) / run.student.batch
    work = {
        "score": 2 * size[reader] * len(pool) * (prompt + run.score.draft_tokens) / READING_SHARE,
        "student": 6 * student * steps * run.student.batch * (prompt + reply) / TRAINING_SHARE * (1 + arms),
        "evaluate/base": 2 * size[run.student.base] * len(test) * (prompt + reply) / WRITING_SHARE,
        "evaluate/student": 2 * student * len(test) * (prompt + reply) / WRITING_SHARE * (1 + arms),
    }
    if run.assistant is not None and run.tutor is not None:
        helper = size[run.assistant.base]
        work["assistant"] = 6 * helper * run.assistant.epochs * paid * (prompt + reply) / TRAINING_SHARE
        work["tutor"] = 2 * helper * len(pool) * run.tutor.samples * (prompt + reply) / WRITING_SHARE
        work["evaluate/assistant"] = 2 * helper * len(test) * (prompt + reply) / WRITING_SHARE
    left = sum(operations for stage, operations in work.items() if stage not in done)
    return round(left / _gemm_rate(), 1)


def _gemm_rate() -> float:
    """Operations a second of a 1024 x 1024 float32 product on this CPU."""
    import torch

    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    left @ right
    started = time.perf_counter()
    for _ in range(10):
        left @ right
    return 10 * 2 * 1024**3 / (time.perf_counter() - started)


def _disk(run: Run) -> int | None:
    """Bytes at the most: models at 4 bytes a weight, and two checkpoints of weights and two moments each."""
    bases = [run.student.base, *([run.assistant.base] if run.assistant else [])]
    if not set(bases) <= EMBEDDED.keys():
        return None
    return sum(4 * EMBEDDED[base].parameters * (1 + 2 * 3) for base in bases)
