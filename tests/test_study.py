"""Studies: shared stages are made once, whatever is killed or runs beside; the results are those of the cells alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from bridge_distill.report import study as report
from bridge_distill.study.results import Result, read_questions, read_results
from bridge_distill.study.status import in_words, status_of
from bridge_distill.study.work import open_study, work
from bridge_distill.teacher import serve
from bridge_distill.teacher.loopback import Fault
from bridge_distill.teacher.providers import Answer
from classroom import KEY_ENV, once
from tiny import COMMAND, command, killed, tree, write

ARMS = {
    "direct": {"assistant": None, "tutor": None, "select.method": "random"},
    "bridge": {"budget.queries": 8},
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
    assert set(found) == {("direct", "10%"), ("direct", "8"), ("bridge", "8"), ("all", "100%")}
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
    assert (finished / "runs/both/report.html").stat().st_size > 100_000
    assert told["charged"]["queries"] == 40, "the whole pool was bought, and no reply twice"
    assert all(row["state"] == "done" for row in told["cells"])


def test_stages_of_the_same_settings_and_inputs_are_made_once(finished: Path) -> None:
    made = Counter(path.parent.name for path in (finished / "runs/both/stages").rglob("record.json"))
    assert made["data"] == made["base"] == 1
    assert made["score"] == 1, "the base that scores is the same for every arm"
    assert made["select"] == made["teach"] == 4
    assert made["student"] == 8, "four are trained, and four tested"
    assert made["tutor"] == 1
    paths = [set(result.paths.values()) for result in results(finished).values()]
    stages = {path.parent.relative_to(finished / "runs/both").as_posix() for path in finished.rglob("record.json")}
    assert set.union(*paths) == stages


def test_a_cell_is_what_a_run_of_its_settings_makes(finished: Path, tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "alone", tree(tiny_base, budget={"queries": 8}, arms={}, seed=0))
    done = command("run", file, "--until", "student")
    assert done.returncode == 0, done.stderr
    cell = results(finished)["bridge", "8"]
    for stage in ("student", "assistant"):
        own, shared = (
            path / "model/model.safetensors"
            for path in (tmp_path / "alone/runs/tiny" / stage, finished / "runs/both" / cell.paths[stage])
        )
        assert own.read_bytes() == shared.read_bytes()


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


def alive(group: int) -> list[int]:
    """The processes of a group that still run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_the_second_worker_ends_with_the_first_even_where_that_is_killed(tiny_base: Path, tmp_path: Path) -> None:
    endless = tree(tiny_base)["student"] | {"steps": 10**7}
    file = study(tmp_path, tiny_base, run={"student": endless})
    words = [*COMMAND, "study", str(file), "--workers", "2"]
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert first.stderr is not None
        assert any(": working" in line for line in first.stderr)
        assert len(alive(first.pid)) > 1
        first.kill()
        first.wait()
        deadline = time.monotonic() + 60
        while left := alive(first.pid):
            assert time.monotonic() < deadline, f"{left} go on"
            time.sleep(0.1)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)


def test_a_cell_that_fails_is_reported_the_others_go_on_and_it_is_tried_again(tiny_base: Path, tmp_path: Path) -> None:
    arms = {"short": ARMS["direct"] | {"student.max_tokens": 4}, "direct": ARMS["direct"]}
    file = study(tmp_path, tiny_base, arms=arms, budgets=[4])
    done = command("study", file)
    assert done.returncode == 1
    assert "tiny, short, 4, seed 0: failed, student.max_tokens" in done.stdout
    assert "1 done, 1 failed, 0 waiting" in command("study", "status", file).stdout
    assert [result.arm for result in read_results(tmp_path / "runs/both")] == ["direct"]
    mended = command("study", study(tmp_path, tiny_base, arms=arms | {"short": ARMS["direct"]}, budgets=[4]))
    assert mended.returncode == 0, mended.stderr
    assert ": working" not in mended.stderr, "the mended arm is the other one, and all its stages are there"
    short, direct = (row | {"arm": ""} for row in outcome(tmp_path / "runs/both"))
    assert short == direct


def test_requests_that_failed_are_told_beside_the_cell_that_did_without_them(tiny_base: Path, tmp_path: Path) -> None:
    reply = Answer("So it is written.\nAnswer: yes", "stop", 9, 9)
    with serve(lambda request: reply, fault=once(Fault("status", 400), 1)) as server:
        teacher = {
            "model": "m",
            "base_url": server.base_url,
            "key_env": KEY_ENV,
            "prices": {"m": {"input": 1, "output": 1}},
        }
        path = study(tmp_path, tiny_base, run={"teacher": teacher}, arms={"direct": ARMS["direct"]}, budgets=[4])
        file = open_study(path, [], "")
        work(file)
    (found,) = read_results(file.folder)
    assert (found.calls, found.failed) == (3, 1)
    told = "tiny, 4: for “direct” 1 request in a cell failed and brought no reply."
    assert told in report.in_words(report.summarise_study(file.folder))
    assert "(requests that brought no reply: 1)" in in_words(status_of(file))
    older = {key: value for key, value in asdict(found).items() if key != "failed"}
    (file.folder / "results.jsonl").write_text(json.dumps(older) + "\n")
    (row,) = status_of(file)["cells"]
    assert (row["state"], row["failed"]) == ("done", None), "a line from before they were counted is one"


def test_weights_go_and_are_made_again_with_the_same_bytes_for_a_cell_that_comes_later(
    tiny_base: Path, tmp_path: Path
) -> None:
    arms = {"direct": ARMS["direct"]}
    assert command("study", study(tmp_path, tiny_base, arms=arms, budgets=[4], keep="none")).returncode == 0
    assert not list((tmp_path / "runs").rglob("*.safetensors"))
    (first,) = outcome(tmp_path / "runs/both")
    arms["brief"] = ARMS["direct"] | {"evaluate.max_new_tokens": 5}
    later = command("study", study(tmp_path, tiny_base, arms=arms, budgets=[4], keep="none"))
    assert later.returncode == 0, later.stderr
    assert "student again, for its weights are gone" in later.stderr
    brief, direct = outcome(tmp_path / "runs/both")
    assert direct == first
    assert brief["paths"]["student"] == direct["paths"]["student"]
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


def test_a_tracker_is_told_of_the_trainings_and_figures_of_every_cell(tiny_base: Path, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    file = study(tmp_path, tiny_base, arms={"direct": ARMS["direct"]}, budgets=[4], seeds=[1, 2])
    done = command("study", file, "--set", "compute.report_to=[tensorboard]")
    assert done.returncode == 0, done.stderr
    told = tmp_path / "runs/both/tensorboard"
    phases = [path for path in told.iterdir() if path.name.startswith("stages-student-")]
    assert len(phases) == 2 * 2, "two students are taught in two phases"
    found = events.EventAccumulator(str(told / "figures"))
    found.Reload()
    names = {f"eval/tiny, direct, 4, seed {seed}/evaluate/student/accuracy" for seed in (1, 2)}
    assert names <= set(found.Tags()["scalars"])


def test_results_of_other_settings_are_set_aside(tiny_base: Path, tmp_path: Path) -> None:
    arms = {"direct": ARMS["direct"], "gone": ARMS["direct"]}
    file = study(tmp_path, tiny_base, arms=arms, budgets=[4])
    assert command("study", file).returncode == 0
    del arms["gone"]
    file = study(tmp_path, tiny_base, arms=arms, budgets=[4])
    again = command("study", file, "--set", "evaluate.max_new_tokens=7")
    assert again.returncode == 0, again.stderr
    assert "2 results are of other settings" in again.stderr
    (now,) = read_results(tmp_path / "runs/both")
    old = [json.loads(line) for line in (tmp_path / "runs/both/superseded.jsonl").read_text().splitlines()]
    assert [row["arm"] for row in old] == ["direct", "gone"]
    assert now.paths["student"] == old[0]["paths"]["student"]
    assert now.paths["evaluate/student"] != old[0]["paths"]["evaluate/student"]
