"""The forecast: what a run would come to, from its sources or from what is frozen, before anything is paid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge_distill import artifacts, data
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.stage import RECORD
from bridge_distill.errors import UserError
from bridge_distill.forecast import forecast, in_words
from bridge_distill.records import Choice
from bridge_distill.runfile import RunFile, read_run

POOL = [
    {"id": f"q{n}", "question": f"Is {n} {'very ' * n}even?", "answer": "yes" if n % 2 == 0 else "no"}
    for n in range(40)
]


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A model folder as far as a forecast looks."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return str(folder)


def run_file(folder: Path, base: str, **changes: Any) -> RunFile:
    tree: dict[str, Any] = {
        "name": "r",
        "data": {"train": "train.jsonl", "test": "test.jsonl", "answer": "yes_no"},
        "budget": {"queries": "20%"},
        "teacher": {"provider": "openai", "model": "m", "prices": {"m": {"input": 1, "output": 2}}},
        "assistant": {"base": base},
        "student": {"base": base},
    }
    tests = [{"question": f"Is {n} odd?", "answer": "no"} for n in range(5)]
    for name, rows in (("train", [*POOL, {"id": "bad"}, POOL[3] | {"id": "again"}]), ("test", tests)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.yaml").write_text(yaml.safe_dump(tree | changes))
    return read_run(folder / "run.yaml")


def finish(folder: Path) -> Path:
    """The folder of a stage that is done."""
    folder.mkdir(parents=True)
    (folder / RECORD).write_text("{}")
    return folder


def test_a_source_that_is_not_frozen_yet_is_forecast(tmp_path: Path, base: str) -> None:
    found = forecast(run_file(tmp_path, base))
    assert (found["pool"], found["test"], found["questions"]) == (40, 5, 8)
    assert found["rejected"] == {"duplicate question": 1, "no question": 1}
    assert found["teacher"]["modes"]["direct"]["requests"] == 8
    assert (found["done"], found["seconds"], found["disk_bytes"]) == ([], None, None)
    assert found["to_do"][:4] == ["data", "score", "select", "teach"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "run.yaml", "test.jsonl", "train.jsonl"]


def test_a_forecast_is_the_same_once_the_data_is_frozen(tmp_path: Path, base: str) -> None:
    file = run_file(tmp_path, base, budget={"usd": "20%"})
    before = forecast(file)
    data.freeze(file.run.data, finish(tmp_path / "runs/r/data"))
    (tmp_path / "train.jsonl").write_text("")
    after = forecast(file)
    assert after["done"] == ["data"]
    for name in ("pool", "test", "rejected", "questions", "teacher"):
        assert after[name] == before[name]


def test_chosen_questions_are_priced_themselves_best_first(tmp_path: Path, base: str) -> None:
    file = run_file(tmp_path, base, budget={"queries": 3})
    at = finish(tmp_path / "runs/r/data")
    data.freeze(file.run.data, at)
    ranks = {"q0": 1, "q1": 0, "q2": 2}
    rows = [Choice(q.id, q.id in ranks, ranks.get(q.id), None, "") for q in artifacts.train_questions(at)]
    bound = forecast(file)
    write_rows(finish(tmp_path / "runs/r/select") / artifacts.CHOICES, Choice, rows)
    found = forecast(file)
    assert (found["questions"], found["basis"]) == (3, "those chosen")
    asked, longest = (each["teacher"]["modes"]["direct"]["worst"] for each in (found, bound))
    assert asked["queries"] == longest["queries"] == 3
    assert asked["input_tokens"] < longest["input_tokens"]


def test_arms_that_buy_apart_are_forecast_from_their_own_questions(tmp_path: Path, base: str) -> None:
    arms = {
        "direct": {"assistant": None, "tutor": None},
        "twice": {"teacher.samples": 2},
        "fewer": {"data.limit_train": 10},
    }
    found = forecast(run_file(tmp_path, base, arms=arms))
    assert {name: (arm["pool"], arm["questions"]) for name, arm in found["arms"].items()} == {
        "twice": (40, 4),
        "fewer": (10, 2),
    }
    assert found["arms"]["twice"]["teacher"]["modes"]["direct"]["requests"] == 8


def test_words_say_what_is_left_out_every_cap_and_the_other_way_to_ask(tmp_path: Path, base: str) -> None:
    budget = {"queries": 9, "usd": "0.01", "study": {"name": "s", "usd": "0.0005"}}
    words = in_words(forecast(run_file(tmp_path, base, budget=budget, arms={"twice": {"teacher.samples": 2}})))
    assert "40 training and 5 test questions" in words
    assert "left out of training: 1 duplicate question, 1 no question" in words
    assert "until budget.study.usd stops it" in words
    assert "caps: queries 9, usd 0.010000; spent by this run so far: $0.000000" in words
    assert "caps of the study: usd 0.000500" in words
    assert "in batches instead: " in words
    assert "arm twice, which buys apart:" in words
    assert "time: unknown for these bases" in words


def test_words_name_the_rate_limits_where_there_are_some(tmp_path: Path, base: str) -> None:
    teacher = {"provider": "openai", "model": "m", "prices": {"m": {"input": 1, "output": 2}}, "requests_per_minute": 1}
    assert "the teacher's rate limits take at least 8 minutes" in in_words(
        forecast(run_file(tmp_path, base, teacher=teacher))
    )


def test_time_and_disk_are_told_for_an_embedded_base(tmp_path: Path) -> None:
    guided = {"guide": {"floor": 99}, "guides": {"vote": {"vote": {"samples": 3}}}}
    arms = {"direct": {"assistant": None, "tutor": None}}
    found = forecast(run_file(tmp_path, "smollm2-135m", arms=arms, evaluate=guided))
    assert found["seconds"] > 0
    assert list(found["stage_seconds"]) == [name for name in found["to_do"] if name in found["stage_seconds"]]
    assert {"score", "assistant", "tutor", "student"} <= set(found["stage_seconds"])
    assert found["to_do"][-1] == "guide/vote"
    assert found["disk_bytes"] > 2 * 4 * 134_515_008
    assert "time here: about" in in_words(found)


def test_a_source_that_cannot_be_used_is_one_sentence(tmp_path: Path, base: str) -> None:
    file = run_file(tmp_path, base)
    (tmp_path / "train.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"data\.train: no row of .* is usable \(1 read: 1 no question\)"):
        forecast(file)


def test_a_pool_too_small_for_the_share_is_one_sentence(tmp_path: Path, base: str) -> None:
    with pytest.raises(UserError, match=r"budget\.queries: 1% of 40 questions is less than one question"):
        forecast(run_file(tmp_path, base, budget={"queries": "1%"}))


def seconds_of(folder: Path, student: dict[str, Any]) -> float:
    """What teaching a student takes, with the time of scoring as the unit: each plan measures this machine anew."""
    folder.mkdir()
    # So many that scoring takes minutes, of which a plan's tenths of a second are next to nothing.
    pool = {"train": "practice:legal?n=4000&seed=1&difficulty=0", "test": "practice:legal?n=8&seed=2&difficulty=0"}
    found = forecast(run_file(folder, "smollm2-135m", data=pool, student=student))["stage_seconds"]
    return float(found["student"] / found["score"])


@pytest.mark.parametrize(
    ("shrink", "of_the_whole"),
    [
        ({"layers": 6}, 49.55 / 134.5),
        ({"layers": [0, 29]}, 35.4 / 134.5),
        ({"mlp": 768}, 94.7 / 134.5),
        ({"mlp": 0.5}, 94.7 / 134.5),
        ({"heads": 3}, 116.8 / 134.5),
        ({"size": "10M"}, 10 / 134.5),
    ],
)
def test_a_student_takes_as_long_as_what_its_cut_leaves(
    tmp_path: Path, shrink: dict[str, Any], of_the_whole: float
) -> None:
    uncut: dict[str, Any] = {"layers": None, "vocabulary": None}
    cut, whole = (
        seconds_of(tmp_path / name, {"steps": 5000, "shrink": uncut | asked})
        for name, asked in {"cut": shrink, "whole": {}}.items()
    )
    assert cut / whole == pytest.approx(of_the_whole, rel=0.01)


@pytest.mark.parametrize(
    ("curriculum", "times"),
    [
        ([{"phase": "rationales", "steps": 1000}, "labels"], 1.2),
        ([{"phase": "rationales", "epochs": 1}, "labels"], 1.2),
        ([{"phase": "rationales", "share": 0.5}, "labels"], 1),
    ],
)
def test_phases_of_a_length_of_their_own_are_counted(tmp_path: Path, curriculum: list[Any], times: float) -> None:
    own, plain = (
        seconds_of(tmp_path / name, {"steps": 5000, "curriculum": phases})
        for name, phases in {"own": curriculum, "plain": ["labels"]}.items()
    )
    assert own / plain == pytest.approx(times, rel=0.01)
