"""Standard benchmarks of a run: tasks by name, those of a folder offline, as stages of their own."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from answered import answered_run
from bridge_distill.config import Compute, Evaluate, Harness
from bridge_distill.errors import UserError
from bridge_distill.evaluation import check_harness, score_by_harness
from bridge_distill.pipeline import execute
from bridge_distill.report import summarise, write_report
from bridge_distill.runfile import read_run
from pages import Page
from tiny import tree, write

INSTALLED = pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with one multiple-choice task, ``tiny_sums``, whose data lie beside it."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"{i} + 1 = ", "choices": [str(i + 1), str(i + 2)], "gold": 0} for i in range(6)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "tiny_sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "sums.jsonl")}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0},
    }
    (folder / "sums.yaml").write_text(yaml.safe_dump(task))
    return folder


def test_a_list_of_names_is_enough() -> None:
    assert Evaluate.model_validate({"harness": ["arc_easy"]}).harness.tasks == ["arc_easy"]
    assert "harness" not in Evaluate().identity(), "runs that use none keep their fingerprints"


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_distill.evaluation.harness.find_spec", lambda name: None)
    check_harness(Harness())
    with pytest.raises(UserError, match=r"evaluate\.harness: .*; run: pip install 'bridge-distill\[harness\]'"):
        check_harness(Harness(tasks=["arc_easy"]))


@INSTALLED
def test_an_unknown_task_and_a_missing_folder_are_refused_before_anything_runs(tasks: Path) -> None:
    check_harness(Harness(tasks=["tiny_sums"], folder=str(tasks)))
    with pytest.raises(UserError, match=r"evaluate\.harness\.tasks: unknown task 'arc_eazy'; did you mean 'arc_easy'"):
        check_harness(Harness(tasks=["arc_eazy"]))
    with pytest.raises(UserError, match=r"evaluate\.harness\.folder: .* is no folder"):
        check_harness(Harness(tasks=["tiny_sums"], folder=str(tasks / "missing")))


@INSTALLED
def test_a_task_of_a_folder_scores_a_model_offline(
    tasks: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    settings = Harness(tasks=["tiny_sums"], folder=str(tasks), limit=4, batch=2)
    found = score_by_harness(settings, "base", str(tiny_base), Compute())
    task = found["tasks"]["tiny_sums"]
    assert 0 <= task["metrics"]["acc"]["value"] <= 1
    assert task["metrics"]["acc"]["error"] is not None
    assert (task["n"], task["shots"], task["version"]) == (4, 0, 1.0)
    assert found == score_by_harness(settings, "base", str(tiny_base), Compute()), "and again the same"


@INSTALLED
def test_a_whole_run_is_scored_by_benchmarks_and_tells_a_tracker(
    tasks: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    harness = {"tasks": ["tiny_sums"], "folder": "../tasks", "limit": 2}
    evaluate = {"models": ["base", "student"], "max_new_tokens": 8, "harness": harness}
    made = tree(tiny_base, evaluate=evaluate, compute={"report_to": ["tensorboard"]})
    run = execute(read_run(write(tmp_path / "run", made)), [], None, "test")
    scored = summarise(run)["harness"]
    assert set(scored) == {"base", "student", "direct"}
    assert scored["student"]["tiny_sums"]["n"] == 2
    board = run / "tensorboard"
    told = events.EventAccumulator(str(board / "figures"))
    told.Reload()
    names = told.Tags()["scalars"]
    assert {"eval/evaluate/student/accuracy", "eval/teach/usd", "eval/arms/direct/evaluate/student/accuracy"} <= {
        *names
    }
    trainings = {path.name.split(",")[0] for path in board.iterdir()}
    assert trainings == {"figures", "assistant", "student", "arms-direct-student"}


def test_the_report_shows_a_row_a_metric_and_a_column_a_model(tmp_path: Path) -> None:
    run = answered_run(tmp_path, 3)
    facts = json.loads((run / "run.json").read_text())
    for model, value in (("base", 0.25), ("student", 0.5)):
        metrics = {"acc": {"value": value, "error": 0.125}, "acc_norm": {"value": value, "error": None}}
        figures = {
            "tasks": {"arc_easy": {"metrics": metrics, "n": 40, "shots": 0, "version": 1.0}},
            "version": "0.4.13",
        }
        (run / "harness" / model).mkdir(parents=True)
        record = {"stage": f"harness/{model}", "figures": figures}
        (run / "harness" / model / "record.json").write_text(json.dumps(record))
        facts["stages"][f"harness/{model}"] = f"harness/{model}"
    (run / "run.json").write_text(json.dumps(facts))
    rows = Page.read(write_report(run)).rows
    assert ["Task", "Metric", "Questions", "Shots", "Untuned base", "Student"] in rows
    assert ["arc_easy", "acc", "40", "0", "0.250 ± 0.125", "0.500 ± 0.125"] in rows
    assert ["arc_easy", "acc_norm", "40", "0", "0.250", "0.500"] in rows
    assert summarise(run)["harness"]["student"]["arc_easy"]["n"] == 40
