"""A student that learns from its assistant's probabilities comes nearer to the assistant, resumed or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge_distill import artifacts, practice, prompts
from bridge_distill.config import Compute, Shrink, Student
from bridge_distill.engine.rows import write_rows
from bridge_distill.models.distillation.live import live
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.distillation.stored import stored
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, cut, load
from bridge_distill.models.train import Example, Trained, Training, fine_tune
from bridge_distill.records import ASSISTANT, Question, Rationale
from bridge_distill.student import teach_student

QUESTIONS = practice.make("legal", 16, 3, 0.0)
EXAMPLES = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]
Teach = Callable[[Model, Path, Path, Training], Trained]


def student_of(base: Path) -> Model:
    """Two of four layers, and a vocabulary that lacks tokens of the base."""
    shrink = Shrink(layers=2, vocabulary="task", common_tokens=20)
    return cut(load(str(base), Compute(), "base"), shrink, [one.prompt or "" for one in EXAMPLES[:4]], "s")


def off_policy(model: Model, assistant: Path, folder: Path, training: Training) -> Trained:
    teacher, mix = load(str(assistant), Compute(), "a"), Mix(1.0, 0.0, 1.0)
    objective = stored(model, teacher, EXAMPLES, training.max_tokens, 16, mix, folder / "grades", 4000, "reading")
    return fine_tune(model, EXAMPLES, training, folder / "checkpoints", "t", objective=objective)


def on_policy(model: Model, assistant: Path, folder: Path, training: Training) -> Trained:
    decoding, mix = Decoding(24, 1.0), Mix(1.0, 1.0, 1.0)
    folder.mkdir(exist_ok=True)
    objective = live(model, assistant, Compute(), EXAMPLES, training, mix, 0.7, decoding, folder / "tokens")
    return fine_tune(model, EXAMPLES, training, folder / "checkpoints", "t", objective=objective)


def bytes_of(model: Model) -> dict[str, Any]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


@pytest.mark.parametrize("teach", [off_policy, on_policy])
def test_the_student_comes_nearer_to_the_assistant(tiny_base: Path, tmp_path: Path, teach: Teach) -> None:
    trained = teach(student_of(tiny_base), tiny_base, tmp_path, Training(40, 4, 5e-3, 400, 100, 1))
    losses = [loss for _, loss in trained.losses]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


@pytest.mark.parametrize("teach", [off_policy, on_policy])
def test_a_distillation_that_is_resumed_ends_with_the_same_bytes(tiny_base: Path, tmp_path: Path, teach: Teach) -> None:
    training = Training(8, 2, 1e-3, 400, 3, 5)
    whole = student_of(tiny_base)
    teach(whole, tiny_base, tmp_path, training)
    complete = sorted((tmp_path / "checkpoints").iterdir(), key=lambda path: int(path.name.split("-")[1]))
    shutil.rmtree(complete[-1])
    resumed = student_of(tiny_base)
    teach(resumed, tiny_base, tmp_path, training)
    again = bytes_of(resumed)
    assert all(torch.equal(value, again[name]) for name, value in bytes_of(whole).items())
    assert int(complete[-2].name.split("-")[1]) < training.steps, "some steps were made again"


def test_white_box_phases_teach_a_student_and_count_all_tokens(tiny_base: Path, tmp_path: Path) -> None:
    data, tutor, assistant = (tmp_path / name for name in ("data", "tutor", "assistant"))
    for made in (data, tutor, assistant, tmp_path / "out"):
        made.mkdir()
    shutil.copytree(tiny_base, assistant / artifacts.MODEL)
    write_rows(data / artifacts.TRAIN, Question, QUESTIONS)
    rows = [
        Rationale(q.id, 0, ASSISTANT, one.completion, q.answer, True, "kept")
        for q, one in zip(QUESTIONS, EXAMPLES, strict=True)
    ]
    write_rows(tutor / artifacts.RATIONALES, Rationale, rows)
    plan = {
        "base": str(tiny_base),
        "shrink": Shrink(layers=2, vocabulary="task", common_tokens=20),
        "curriculum": ["rationales", {"phase": "distil", "top_k": 4}, {"phase": "on_policy", "max_new_tokens": 12}],
        "steps": 9,
        "batch": 2,
    }
    settings = Student.model_validate(plan)
    figures = teach_student(settings, data, [tutor], assistant, tmp_path / "out", tmp_path / "s", Compute(), 0)
    plain, off, on = figures["phases"]
    assert [phase["steps"] for phase in (plain, off, on)] == [3, 3, 3]
    assert "assistant_tokens" not in plain
    assert off["assistant_tokens"] > 0
    assert 0 < on["written_tokens"] <= 3 * 2 * 12
    assert on["tokens"] > on["written_tokens"]
    assert load(str(tmp_path / "out" / artifacts.MODEL), Compute(), "m").parameters == figures["parameters"]
