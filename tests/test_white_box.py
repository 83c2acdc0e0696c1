"""A student that learns from its assistant's probabilities comes nearer to the assistant, resumed or not."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bridge_distill import artifacts, practice, prompts
from bridge_distill.config import Compute, Shrink, Student
from bridge_distill.engine.rows import write_rows
from bridge_distill.models.distillation.live import Live, live
from bridge_distill.models.distillation.losses import Mix
from bridge_distill.models.distillation.stored import stored
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, load
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Trained, Training, fine_tune
from bridge_distill.models.train.examples import encode
from bridge_distill.records import ASSISTANT, Question, Rationale
from bridge_distill.student import teach_student
from families import save

QUESTIONS = practice.make("legal", 16, 3, 0.0)
EXAMPLES = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]
Teach = Callable[[Model, Path, Path, Training], Trained]


def student_of(base: Path) -> Model:
    """Two of four layers, and a vocabulary that lacks tokens of the base."""
    shrink = Shrink(layers=2, vocabulary="task", common_tokens=20)
    return cut(load(str(base), Compute(), "base"), shrink, [one.prompt or "" for one in EXAMPLES[:4]], "s")


def off_policy(model: Model, assistant: Path, folder: Path, training: Training) -> Trained:
    teacher, mix = load(str(assistant), Compute(), "a"), Mix(1.0, 0.0, 1.0)
    rows = encode(model, EXAMPLES, training.max_tokens)
    objective = stored(model, teacher, EXAMPLES, rows, 16, mix, folder / "grades", 4000, "reading")
    return fine_tune(model, EXAMPLES, training, folder / "checkpoints", "t", objective=objective)


def on_policy(model: Model, assistant: Path, folder: Path, training: Training) -> Trained:
    objective = own_texts(model, assistant, folder, training)
    return fine_tune(model, EXAMPLES, training, folder / "checkpoints", "t", objective=objective)


def own_texts(model: Model, assistant: Path, folder: Path, training: Training, own: float = 0.7) -> Live:
    decoding, mix = Decoding(24, 1.0), Mix(1.0, 1.0, 1.0)
    rows = encode(model, EXAMPLES, training.max_tokens)
    made = live(model, assistant, Compute(), EXAMPLES, rows, training.seed, mix, own, decoding, folder / "tokens")
    copy: Live = pickle.loads(pickle.dumps(made))  # as processes that share a training get it
    return copy


def apart(model: Model, objective: Live, batch: dict[str, Any]) -> float:
    """Mean divergence of a student from the assistant on a batch that was written before."""
    with torch.no_grad():
        logits = model.network(batch["input_ids"]).logits.flatten(0, 1)[batch["places"]]
    return float(objective.losses(logits, batch["targets"], batch["columns"]).mean())


def bytes_of(model: Model) -> dict[str, Any]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_learning_from_stored_grades_brings_the_student_nearer(tiny_base: Path, tmp_path: Path) -> None:
    trained = off_policy(student_of(tiny_base), tiny_base, tmp_path, Training(40, 4, 5e-3, 400, 100, 1))
    losses = [loss for _, loss in trained.losses]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_a_text_that_is_repeated_is_read_once(tiny_base: Path, tmp_path: Path) -> None:
    model, teacher = student_of(tiny_base), load(str(tiny_base), Compute(), "a")
    found = []
    for name, examples in (("once", EXAMPLES), ("thrice", [EXAMPLES[0], *EXAMPLES, EXAMPLES[0]])):
        rows = encode(model, examples, 400)
        found.append(stored(model, teacher, examples, rows, 4, Mix(1.0, 0.0, 1.0), tmp_path / name, 4000, "reading"))
    once, thrice = found
    assert (len(thrice.grades), thrice.grades.read) == (len(EXAMPLES), once.grades.read)
    for place, same in enumerate([0, *range(len(EXAMPLES)), 0]):
        for name, column in thrice.columns(place).items():
            assert np.array_equal(column, once.columns(same)[name])


@pytest.mark.parametrize("teach", [off_policy, on_policy])
def test_an_assistant_of_another_family_teaches_too(tiny_base: Path, tmp_path: Path, teach: Teach) -> None:
    trained = teach(
        student_of(tiny_base), save("gemma2", tmp_path / "other"), tmp_path, Training(20, 4, 3e-3, 400, 100, 1)
    )
    losses = [loss for _, loss in trained.losses]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_grades_of_what_the_student_writes_bring_it_nearer(tiny_base: Path, tmp_path: Path) -> None:
    model, training = student_of(tiny_base), Training(25, 4, 3e-3, 400, 100, 1)
    objective = own_texts(model, tiny_base, tmp_path, training, own=1.0)
    wrote = objective.prepared(model.network, {"examples": torch.arange(12)}, step=1000)
    before = apart(model, objective, wrote)
    fine_tune(model, EXAMPLES, training, tmp_path / "checkpoints", "t", objective=objective)
    assert apart(model, objective, wrote) < 0.8 * before


def test_a_student_that_is_its_assistant_is_told_nothing_by_its_own_texts(tiny_base: Path, tmp_path: Path) -> None:
    model = load(str(tiny_base), Compute(), "base")
    objective = own_texts(model, tiny_base, tmp_path, Training(1, 1, 1e-3, 400, 100, 1), own=1.0)
    wrote = objective.prepared(model.network, {"examples": torch.arange(6)}, step=0)
    assert abs(apart(model, objective, wrote)) < 1e-4


def test_a_step_that_fewer_processes_make_again_is_counted_once(tiny_base: Path, tmp_path: Path) -> None:
    model = student_of(tiny_base)
    objective = own_texts(model, tiny_base, tmp_path, Training(1, 1, 1e-3, 400, 100, 1))
    for step in range(3):
        objective.prepared(model.network, {"examples": torch.arange(2)}, step)
    alone, of_one = objective.figures(), tmp_path / "tokens-0"
    lines = [json.loads(line) | {"processes": 2} for line in of_one.read_text().splitlines()]
    before = "".join(json.dumps(line) + "\n" for line in lines)
    of_one.write_text(before + of_one.read_text())
    (tmp_path / "tokens-1").write_text(before.replace('"process": 0', '"process": 1'))
    assert objective.figures() == alone


def test_a_diary_that_a_kill_left_in_the_middle_of_a_line_goes_on(tiny_base: Path, tmp_path: Path) -> None:
    model = student_of(tiny_base)
    objective = own_texts(model, tiny_base, tmp_path, Training(1, 1, 1e-3, 400, 100, 1))
    for step in range(2):
        objective.prepared(model.network, {"examples": torch.arange(2)}, step)
    whole, diary = objective.figures(), tmp_path / "tokens-0"
    diary.write_bytes(diary.read_bytes()[:-9])
    assert 0 < objective.figures()["tokens"] < whole["tokens"]
    objective.prepared(model.network, {"examples": torch.arange(2)}, 1)
    assert objective.figures() == whole


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


def test_what_the_student_wrote_is_not_learnt_as_a_text(tiny_base: Path, tmp_path: Path) -> None:
    model = student_of(tiny_base)
    wrote, told = (own_texts(model, tiny_base, tmp_path, Training(1, 1, 1e-3, 400, 100, 1), own) for own in (1.0, 0.0))
    for objective, same in ((wrote, True), (told, False)):
        batch = objective.prepared(model.network, {"examples": torch.arange(2)}, step=0)
        mixed = replace(objective, mix=replace(objective.mix, weight=0.5))
        assert (apart(model, mixed, batch) == apart(model, objective, batch)) == same


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
