"""Trackers are told of losses and figures where a run names them, and nobody is told of anything where it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bridge_distill.config import Compute
from bridge_distill.engine.tracking import arguments, check_trackers, tell_figures, told, tracking
from bridge_distill.errors import UserError
from bridge_distill.models.load import load
from bridge_distill.models.train import Example, Training, fine_tune

FIGURES = {"queries": 3, "usd": "0.0375", "exhausted": False, "losses": [[1, 2.0]], "attempts": {"answered": 2}}


def recorded(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"figures": FIGURES}))
    return folder


def scalars(folder: Path) -> dict[str, list[float]]:
    """What TensorBoard reads in a folder."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    found = events.EventAccumulator(str(folder))
    found.Reload()
    return {name: [point.value for point in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_nobody_is_told_by_default(tmp_path: Path) -> None:
    assert Compute().report_to == []
    with tracking(Compute().report_to, "run", tmp_path), told("training", tmp_path) as callbacks:
        assert callbacks == []
        assert arguments() == {}
        tell_figures({"teach": recorded(tmp_path / "teach")})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["teach"]


def test_a_tracker_that_is_not_installed_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_distill.engine.tracking.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"compute\.report_to: mlflow is not installed; run: pip install mlflow"):
        check_trackers(["mlflow"])


def test_tensorboard_holds_the_numbers_of_every_stage(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="no tensorboard")
    with tracking(["tensorboard"], "run", tmp_path):
        tell_figures({"teach": recorded(tmp_path / "teach"), "arms/b/teach": recorded(tmp_path / "arms/b/teach")})
    found = scalars(tmp_path / "tensorboard/figures")
    assert {name.removeprefix("eval/teach/") for name in found if name.startswith("eval/teach/")} == {
        "queries", "usd", "attempts/answered",
    }  # fmt: skip
    assert found["eval/teach/usd"] == [pytest.approx(0.0375)]
    assert found["eval/arms/b/teach/queries"] == [3]
    assert "WANDB_PROJECT" not in os.environ, "the environment is as it was"


def test_tensorboard_holds_the_losses_of_a_training(tmp_path: Path, tiny_base: Path) -> None:
    pytest.importorskip("tensorboard", reason="no tensorboard")
    model = load(str(tiny_base), Compute(), "test")
    examples = [Example(f"Is {number} even?", "yes" if number % 2 == 0 else "no") for number in range(4)]
    training = Training(steps=3, batch=2, learning_rate=1e-3, max_tokens=128, save_steps=50, seed=0)
    with tracking(["tensorboard"], "run", tmp_path):
        trained = fine_tune(model, examples, training, tmp_path / "student/.scratch/steps", "teaching")
    found = scalars(tmp_path / "tensorboard/student, teaching")
    assert found["train/loss"] == [pytest.approx(loss, rel=1e-4) for _, loss in trained.losses]
