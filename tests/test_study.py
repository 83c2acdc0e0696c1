"""Studies: shared stages are made once, whatever is killed or runs beside; the results are those of the cells alone."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge_distill import artifacts
from bridge_distill.errors import UserError
from bridge_distill.study.cells import read_study
from bridge_distill.study.results import Result, contexts, read_questions, read_results
from bridge_distill.study.work import failures, open_study, run_study
from tiny import COMMAND, command, killed, tree, write

ARMS = {
    "direct": {"assistant": None, "tutor": None, "select.method": "random"},
    "bridge": {},
    "all": {"assistant": None, "tutor": None, "budget.queries": "100%"},
}
# What is measured by the clock differs from run to run.
CLOCKED = {"seconds", "assistant_seconds"}


def study(folder: Path, base: Path, **changes: Any) -> Path:
    """A study file beside its base run."""
    run = tree(base, budget={"queries": "20%"}, arms={})
    write(folder, run | changes.pop("run", {}))
    path = folder / "study.yaml"
    made = {"name": "both", "base": "run.yaml", "arms": ARMS, "budgets": ["10%", 8], "reference": "direct"}
    path.write_text(yaml.safe_dump(made | changes))
    return path


def outcome(folder: Path) -> list[dict[str, Any]]:
    """The results of a study's folder, by cell, without what is measured by the clock."""
    rows = sorted(read_results(folder), key=lambda result: result.cell)
    return [{name: value for name, value in asdict(row).items() if name not in CLOCKED} for row in rows]


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study file whose study was never interrupted."""
    folder = tmp_path_factory.mktemp("study")
    done = command("study", study(folder, tiny_base))
    assert done.returncode == 0, done.stderr
    return folder


def results(folder: Path) -> dict[tuple[str, str], Result]:
    return {(result.arm, result.budget): result for result in read_results(folder / "runs/both")}


def test_a_finished_study_has_a_line_for_every_cell(finished: Path) -> None:
    found = results(finished)
    assert set(found) == {(arm, budget) for arm in ("direct", "bridge") for budget in ("10%", "8")} | {("all", "100%")}
    ids = read_questions(finished / "runs/both")
    for result in found.values():
        assert (result.set, result.seed, result.steps) == ("tiny", 0, 8)
        assert len(result.right) == len(result.others["base"]) == len(ids[result.questions]) == 12
        assert result.teacher_right == 1
        assert result.seconds["student"] > 0
    assert set(found["bridge", "8"].others) == {"base", "assistant"}
    assert found["bridge", "8"].assistant_seconds > found["direct", "8"].assistant_seconds == 0


def test_a_cell_is_charged_for_every_reply_that_it_learnt_from_whoever_bought_it(finished: Path) -> None:
    found = results(finished)
    assert [found[cell].calls for cell in (("direct", "10%"), ("bridge", "8"), ("all", "100%"))] == [4, 8, 40]
    assert float(found["all", "100%"].usd) > float(found["direct", "8"].usd) > float(found["direct", "10%"].usd) > 0
    told = json.loads(command("study", "status", finished / "study.yaml", "--json").stdout)
    assert told["charged"]["queries"] == 40, "the whole pool was bought, and no reply twice"
    assert all(row["state"] == "done" for row in told["cells"])


def test_stages_of_the_same_settings_and_inputs_are_made_once(finished: Path) -> None:
    made = Counter(path.parent.name for path in (finished / "runs/both/stages").rglob("record.json"))
    assert made["data"] == made["base"] == 1
    assert made["score"] == 1, "the base that scores is the same for every arm"
    assert made["select"] == made["teach"] == 5
    assert made["tutor"] == 2
    paths = [set(result.paths.values()) for result in results(finished).values()]
    stages = {path.parent.relative_to(finished / "runs/both").as_posix() for path in finished.rglob("record.json")}
    assert set.union(*paths) == stages


def test_a_cell_is_what_a_run_of_its_settings_makes(finished: Path, tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "alone", tree(tiny_base, budget={"queries": 8}, arms={}, seed=0))
    done = command("run", file)
    assert done.returncode == 0, done.stderr
    cell = results(finished)["bridge", "8"]
    for stage in ("student", "assistant"):
        own, shared = (
            path / "model/model.safetensors"
            for path in (tmp_path / "alone/runs/tiny" / stage, finished / "runs/both" / cell.paths[stage])
        )
        assert own.read_bytes() == shared.read_bytes()
    verdicts = artifacts.verdicts(tmp_path / "alone/runs/tiny/evaluate/student")
    assert [int(verdict.correct) for verdict in verdicts] == cell.right


def test_a_study_killed_ten_times_ends_with_the_same_results(finished: Path, tiny_base: Path, tmp_path: Path) -> None:
    file = study(tmp_path / "killed", tiny_base)
    draw = random.Random(5)
    kills = killed([("", 1 + draw.random() * 4) for _ in range(10)], "study", file)
    assert kills >= 5
    last = command("study", file)
    assert last.returncode == 0, last.stderr
    assert outcome(tmp_path / "killed/runs/both") == outcome(finished / "runs/both")


def test_two_workers_end_with_the_same_results_and_make_no_stage_twice(
    finished: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file = study(tmp_path / "two", tiny_base)
    done = command("study", file, "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path / "two/runs/both") == outcome(finished / "runs/both")
    worked = Counter(line for line in done.stderr.splitlines() if line.endswith(": working"))
    assert set(worked.values()) == {1}
    assert len(worked) == len(list((finished / "runs/both/stages").rglob("record.json")))
