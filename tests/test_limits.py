"""Limits of the shipped files: what a student is taught at its longest, a test lets it write to the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge_distill import artifacts
from bridge_distill.config import Run, Study
from bridge_distill.data import freeze
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.models.load import load_tokenizer, text_ids
from bridge_distill.records import Question, Rationale, Reply
from bridge_distill.runfile import read_run, read_tree, read_yaml, vary
from bridge_distill.student.curriculum import phases_of
from bridge_distill.teacher.jobs import Job, jobs_of
from bridge_distill.teacher.judging import judge_all
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.scripted import Scripted

CONFIGS = Path(__file__).parent.parent / "configs"
FILES = sorted([*CONFIGS.glob("*.yaml"), *(CONFIGS / "studies").glob("*.yaml")])
RECORDED = [path for path in FILES if "BRIDGE_DATA" in path.read_text()]
PRACTICE = [path for path in FILES if path not in RECORDED or "practice:" in path.read_text()]


@dataclass(frozen=True)
class Longest:
    """The most that a kept reply has: tokens of the embedded base, its end among them, and words."""

    tokens: int
    words: int


Measure = Callable[[Run], Longest]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """A function that measures the replies to a run's whole pool, each pool once."""
    tokenizer, known = load_tokenizer("smollm2-135m", "base"), dict[str, Longest]()

    def measure(run: Run) -> Longest:
        key = json.dumps([run.data.model_dump(mode="json"), run.teacher.identity()])
        if key not in known:
            kept = [row.text for row in replies(run, tmp_path_factory.mktemp("pool")) if row.kept]
            tokens = max(len(text_ids(tokenizer, text)) + 1 for text in kept)
            known[key] = Longest(tokens, max(len(text.split()) for text in kept))
        return known[key]

    return measure


def replies(run: Run, folder: Path) -> list[Rationale]:
    """What the expert replies to every question of the pool, judged as paid replies are."""
    freeze(run.data, folder)
    questions = list(iterate_rows(folder / artifacts.TRAIN, Question))
    name = "expert" if is_practice(run) else "replay"
    expert = providers.get(name, "teacher.provider")(run.teacher, questions)
    assert isinstance(expert, Scripted)
    found = [paid(expert, job) for job in jobs_of(run.teacher, expert, questions)]
    return judge_all(found, {each.id: each for each in questions}, run.teacher.max_words, run.teacher.trace)


def paid(expert: Scripted, job: Job) -> Reply:
    answer = expert.answer(job.request)
    counts = answer.input_tokens, answer.output_tokens, 0
    return Reply(
        job.question.id, job.request.sample, job.hash, "", expert.model, answer.text, answer.finish, *counts, False
    )


def runs(path: Path) -> list[Run]:
    """Every run that a file makes, but for budgets and seeds."""
    if "base" not in read_yaml(path):
        file = read_run(path)
        return [file.run, *file.arms.values()]
    study = Study.model_validate(read_yaml(path))
    base = path.parent / study.base
    changes = [{**set_, **arm} for set_ in (study.data or {"": {}}).values() for arm in study.arms.values()]
    return [vary(read_tree(base), each, path.name, base.parent) for each in changes]


def is_practice(run: Run) -> bool:
    return run.data.train.startswith("practice:")


def check(run: Run, longest: Longest) -> None:
    tutors = [run.tutor] if run.tutor is not None else []
    writing = [phase.settings.max_new_tokens for phase in phases_of(run.student) if phase.writes]
    limits = [run.evaluate.max_new_tokens, *(tutor.max_new_tokens for tutor in tutors), *writing]
    assert min(limits) >= longest.tokens, run.data.train
    assert all(tutor.max_words >= longest.words for tutor in tutors), run.data.train


@pytest.mark.parametrize("path", PRACTICE, ids=lambda path: path.stem)
def test_the_longest_reply_of_a_practice_expert_can_be_written(
    path: Path, measured: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DATA", "/data")
    found = [run for run in runs(path) if is_practice(run)]
    assert found
    for run in found:
        check(run, measured(run))


@pytest.mark.skipif("BRIDGE_DATA" not in os.environ, reason="BRIDGE_DATA names no folder of recorded sets")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_longest_recorded_reply_can_be_written(path: Path, measured: Measure) -> None:
    for run in runs(path):
        if not is_practice(run):
            check(run, measured(run))
