"""A run whose student has a curriculum of several phases, and arms that change it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tiny import command, killed, tree, write

BASELINES = Path(__file__).parent.parent / "configs/baselines.yaml"
CURRICULUM = [{"phase": "heal", "share": 0.5}, {"phase": "rationales", "order": "easy_first", "paid_share": 0.5}]
ARMS = {
    "untuned": {"assistant.epochs": 0},
    "labels": {"assistant": None, "tutor": None, "student.curriculum": ["labels"], "student.warm_up": 1},
}


def run_file(base: Path, folder: Path) -> Path:
    made = tree(base, arms=ARMS)
    made["student"] |= {"curriculum": CURRICULUM, "steps": 24}
    return write(folder, made)


def record(folder: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs/tiny" / stage / "record.json").read_text())
    return found


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = command("run", run_file(tiny_base, folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_killed_in_any_phase_a_student_ends_with_the_same_bytes(
    finished: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file = run_file(tiny_base, tmp_path / "killed")
    draw = random.Random(7)
    assert killed([("tiny/student", 1 + 5 * draw.random()) for _ in range(4)], "run", file)
    assert command("run", file).returncode == 0
    name = "runs/tiny/student/model/model.safetensors"
    assert (tmp_path / "killed" / name).read_bytes() == (finished / name).read_bytes()


def test_an_assistant_of_no_epochs_is_cut_and_not_tuned(finished: Path) -> None:
    tuned, untuned = (record(finished, stage)["figures"] for stage in ("assistant", "arms/untuned/assistant"))
    assert (untuned["steps"], untuned["tokens"], untuned["trained_parameters"]) == (0, 0, 0)
    assert untuned["parameters"] == tuned["parameters"]
    assert record(finished, "arms/untuned/tutor")["figures"]


def test_a_student_of_labels_depends_on_the_data_alone(finished: Path) -> None:
    assert set(record(finished, "arms/labels/student")["inputs"]) == {"data"}
    assert set(record(finished, "student")["inputs"]) == {"data", "teach", "tutor"}


def test_the_shipped_baselines_can_be_planned(tiny_base: Path, tmp_path: Path) -> None:
    here = [f"{stage}.base={tiny_base}" for stage in ("assistant", "student")]
    sets = [word for change in (*here, f"runs={tmp_path}") for word in ("--set", change)]
    planned = command("plan", BASELINES, *sets, "--json")
    assert planned.returncode == 0, planned.stderr
    apart = {"direct-random", "direct-3-samples", "direct-all", "random"}
    assert set(json.loads(planned.stdout)["arms"]) == apart
