"""New questions in a whole run: what an arm shares, what the report says, and the same bytes after kill -9."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge_distill import artifacts
from bridge_distill.config import Run
from bridge_distill.engine.rows import read_rows
from bridge_distill.forecast import forecast
from bridge_distill.pipeline import stages
from bridge_distill.records import Draft
from bridge_distill.runfile import read_run
from pages import Page
from tiny import COMMAND, command, tree, write

STAGES = ["questions/tune", "questions/write", "questions/answer"]
PAGE = (Path(__file__).parent.parent / "docs/questions.md").read_text(encoding="utf-8")


def with_questions(base: Path, **changes: Any) -> dict[str, Any]:
    questions = {
        "amount": 6,
        "writer": {"epochs": 3, "max_new_tokens": 100},
        "samples": 2,
        "temperature": 0.3,
        "checked": 6,
        "shard": 4,
    }
    arms = {"direct": {"assistant": None, "tutor": None}, "chance": {"select.method": "random"}}
    return tree(base, questions=questions | changes, arms=arms)


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run file whose run was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = command("run", write(folder, with_questions(tiny_base)))
    assert done.returncode == 0, done.stderr
    return folder


def figures(run: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / stage / "record.json").read_text())["figures"]
    return found


def test_the_student_learns_from_the_questions_that_join(finished: Path) -> None:
    run = finished / "runs/tiny"
    drafts = read_rows(run / "questions/write" / artifacts.DRAFTS, Draft)
    told, answers = figures(run, "questions/write"), figures(run, "questions/answer")
    assert told["written"] == len(drafts) <= 24
    assert answers["asked"] == told["kept"] == sum(draft.kept for draft in drafts)
    joined = artifacts.new_questions(run / "questions/answer")
    assert len(joined) == answers["joined"] > 0, "the tiny base answers such questions"
    folders = [run / stage for stage in ("teach", "tutor", "questions/answer")]
    kept = sum(row.kept for folder in folders for row in artifacts.rationales(folder))
    [phase] = [phase for phase in figures(run, "student")["phases"] if phase["name"] == "rationales"]
    assert phase["examples"] + phase["too_long"] == kept


def test_arms_share_what_depends_on_the_pool_alone(finished: Path) -> None:
    arms = json.loads((finished / "runs/tiny/run.json").read_text())["arms"]
    assert [arms["chance"][stage] for stage in STAGES] == [*STAGES[:2], f"arms/chance/{STAGES[2]}"]
    assert not set(STAGES) & set(arms["direct"])


def test_the_report_says_what_became_of_them_and_how_often_labels_are_wrong(finished: Path) -> None:
    run = finished / "runs/tiny"
    summary = json.loads((run / "summary.json").read_text())
    page = Page.read(run / "report.html")
    found = summary["new_questions"]
    assert found["answers"]["noise"] == figures(run, "questions/answer")["noise"]
    wrote = [row for row in page.rows if row[:1] == ["Texts that the writer wrote"]]
    assert wrote[0][1:4] == [str(found["written"]), str(found["written"] - found["kept"]), str(found["kept"])]
    told = next(row for row in page.rows if row[:1] == ["Explanations of them"])
    reasons = Counter(row.reason for row in artifacts.rationales(run / "questions/answer"))
    kept = reasons.pop("kept")
    assert told[1:4] == [str(kept + reasons.total()), str(reasons.total()), str(kept)]
    assert set(told[4].split("; ")) == {f"{number} {reason}" for reason, number in reasons.items()} or not reasons
    assert len(wrote) == 2, "the arm that chose by chance has its own assistant, and so its own answers"
    assert "Arm “chance”" in page.text
    assert "is not known" in page.text or "of those answers were wrong" in page.text
    assert "New questions" in page.text


@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_any_of_its_stages_a_run_ends_with_the_same_bytes(finished: Path, tmp_path: Path, stage: str) -> None:
    shutil.copytree(finished, tmp_path / "killed")
    run = tmp_path / "killed/runs/tiny"
    for folder in [*STAGES[STAGES.index(stage) :], "student", "evaluate"]:
        shutil.rmtree(run / folder)
    words = [*COMMAND, "run", str(tmp_path / "killed/run.yaml"), "--until", "student"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        started = any(f"{stage}: working" in line for line in child.stderr)
        parts = list((run / stage / ".scratch").rglob("*"))
        child.send_signal(signal.SIGKILL)
    assert started
    assert not (run / stage / "record.json").exists(), parts
    last = command("run", tmp_path / "killed/run.yaml", "--until", "student")
    assert last.returncode == 0, last.stderr
    for folder in [*STAGES, "student"]:
        outputs = [
            json.loads((at / folder / "record.json").read_text())["outputs"] for at in (run, finished / "runs/tiny")
        ]
        assert outputs[0] == outputs[1]


def test_without_an_amount_nothing_of_a_run_changes(tiny_base: Path, tmp_path: Path) -> None:
    file = read_run(write(tmp_path, with_questions(tiny_base, amount=0)))
    plain = read_run(write(tmp_path, tree(tiny_base)))
    made = [stages(one.run, "tiny", one.run.assistant) for one in (file, plain)]
    assert [(s.name, s.settings, s.inputs) for s in made[0]] == [(s.name, s.settings, s.inputs) for s in made[1]]


def test_a_guide_of_the_tutor_leaves_the_answers_to_new_questions_as_they_were(tiny_base: Path, tmp_path: Path) -> None:
    made = with_questions(tiny_base)
    found = []
    for guide in (None, {"ceiling": 20}):
        made["tutor"] = made["tutor"] | {"guide": guide}
        run = read_run(write(tmp_path, made)).run
        found.append({stage.name: stage.settings for stage in stages(run, "tiny", run.assistant)})
    assert found[0]["questions/answer"] == found[1]["questions/answer"]
    assert found[0]["tutor"] != found[1]["tutor"]


def test_noise_is_measured_on_the_assistant_that_has_learnt_the_paid_replies_alone(
    tiny_base: Path, tmp_path: Path
) -> None:
    made = with_questions(tiny_base)
    made["assistant"]["improve"] = {"rounds": 2}
    file = read_run(write(tmp_path, made))
    last = next(stage for stage in stages(file.run, "tiny", file.run.assistant) if stage.name == STAGES[-1])
    assert last.inputs == ("data", "teach", "questions/write", "assistant", "improve-0/assistant")


def test_the_forecast_counts_the_stages_and_their_seconds(tmp_path: Path) -> None:
    bases = {"base": "smollm2-135m"}
    made = tree(tmp_path, assistant=bases, student=bases, arms={})
    plain = forecast(read_run(write(tmp_path, made)))
    found = forecast(read_run(write(tmp_path, made | {"questions": {"amount": 4000}})))
    assert [stage for stage in found["to_do"] if stage not in plain["to_do"]] == STAGES
    assert set(found["stage_seconds"]) - set(plain["stage_seconds"]) == set(STAGES)
    assert all(found["stage_seconds"][stage] > 0 for stage in STAGES)
    assert found["disk_bytes"] > plain["disk_bytes"]


def test_the_example_of_the_page_is_valid_and_names_every_setting() -> None:
    [example] = [block.partition("```")[0] for block in PAGE.split("```yaml\n")[1:]]
    whole = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}
    questions = Run.model_validate({**whole, **yaml.safe_load(example)}).questions
    assert questions.amount
    names = [*type(questions).model_fields, *(f"writer.{name}" for name in type(questions.writer).model_fields)]
    assert not [name for name in names if name != "writer" and f"`{name}`" not in PAGE]
