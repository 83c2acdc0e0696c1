"""A budget spent in rounds: nothing is bought twice or above its caps, kills change nothing, a rule may stop it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts, selection
from bridge_distill.config import Select
from bridge_distill.engine.stage import read_record
from bridge_distill.errors import UserError
from bridge_distill.pipeline import stages as stages_of
from bridge_distill.records import Choice, Question
from bridge_distill.runfile import read_run
from bridge_distill.teacher.database import Database
from pages import Page
from tiny import command, killed, tree, write

ROUNDS = {"rounds": 3, "held_out": 12}
PARTS = ["select", "teach", "assistant", "held-out", "curve"]


def in_rounds(base: Path, **changes: Any) -> dict[str, Any]:
    """A run that buys 8 of 40 questions in three rounds."""
    return tree(base, **{"select": ROUNDS, "arms": {}, **changes})


def charges(store: Path) -> list[tuple[str, str]]:
    """Who paid for which request, in order."""
    with Database(store) as database:
        query = "SELECT a.run, r.request_hash FROM attempts a LEFT JOIN replies r ON r.attempt = a.id ORDER BY a.id"
        return [(row[0], row[1]) for row in database.rows(query)]


def chosen(select: Path) -> list[Choice]:
    rows = [choice for choice in artifacts.choices(select) if choice.chosen]
    return sorted(rows, key=lambda row: row.rank or 0)


def held_out(run: Path) -> set[str]:
    return {row.question_id for row in artifacts.verdicts(run / "held-out")}


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run file whose run in three rounds, with an arm without an assistant, was never interrupted."""
    folder = tmp_path_factory.mktemp("rounds")
    arms = {"direct": {"assistant": None, "tutor": None}}
    done = command("run", write(folder, in_rounds(tiny_base, arms=arms)))
    assert done.returncode == 0, done.stderr
    return folder


def test_each_round_buys_its_share_and_goes_on_where_the_last_one_ended(finished: Path) -> None:
    run = finished / "runs/tiny"
    ranked = [[row.question_id for row in chosen(run / name / "select")] for name in ("round-1", "round-2", ".")]
    assert [len(ids) for ids in ranked] == [2, 5, 8]
    assert ranked[2][:5] == ranked[1]
    assert ranked[1][:2] == ranked[0]
    reasons = [row.reason.split(":")[0] for row in chosen(run / "select")]
    assert reasons == ["round 1"] * 2 + ["round 2"] * 3 + ["round 3"] * 3
    for name, ids in zip(("round-1", "round-2", "."), ranked, strict=True):
        assert [reply.question_id for reply in artifacts.replies(run / name / "teach")] == ids
        assert {path.name for path in (run / name).iterdir()} >= set(PARTS)


def test_the_cap_holds_exactly_and_nothing_is_paid_twice(finished: Path) -> None:
    paid = charges(finished / "runs/replies.sqlite")
    own = [key for run, key in paid if run == "tiny"]
    assert len(own) == len(set(own)) == 8
    assert read_record(finished / "runs/tiny/teach")["figures"]["queries"] == 8


def test_what_is_held_out_is_the_same_in_each_round_and_never_chosen(finished: Path) -> None:
    run = finished / "runs/tiny"
    held = held_out(run)
    assert len(held) == 12
    for name in ("round-1", "round-2"):
        assert {row.question_id for row in artifacts.verdicts(run / name / "held-out")} == held
    for row in artifacts.choices(run / "select"):
        assert ("held out" in row.reason) == (row.question_id in held)
    assert not held & {row.question_id for row in chosen(run / "select")}


def test_each_round_scores_the_pool_with_the_assistant_of_the_last(finished: Path) -> None:
    run = finished / "runs/tiny"
    signals = [artifacts.signals(run / name)["draft_entropy"] for name in ("score", "round-2/score", "round-3/score")]
    assert (signals[0] != signals[1]).any()
    assert (signals[1] != signals[2]).any()


def test_the_curve_counts_what_was_learnt_from(finished: Path) -> None:
    found = artifacts.curve(finished / "runs/tiny/curve")
    assert [point["learnt"] for point in found["points"]] == [2, 5, 8]
    assert {point["asked"] for point in found["points"]} == {12}
    assert found["stop"] is None
    assert found["next"]["replies"] == 3
    assert found["next"]["usd"] == pytest.approx(found["points"][-1]["usd"] * 3 / 8)
    first = artifacts.curve(finished / "runs/tiny/round-1/curve")
    assert first["next"] is None
    assert "cannot be told" in first["advice"]


def test_the_report_shows_rounds_with_the_curve_and_the_advice(finished: Path) -> None:
    run = finished / "runs/tiny"
    page, found = Page.read(run / "report.html"), artifacts.curve(run / "curve")
    start = page.rows.index(
        ["Round", "Replies so far", "Their cost", "Learnt from", "Held-out correct", "Accuracy", "95% interval"]
    )
    rows = page.rows[start + 1 : start + 4]
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", "2", "2"), ("2", "5", "5"), ("3", "8", "8")]
    assert [row[4] for row in rows] == [f"{point['correct']} of 12" for point in found["points"]]
    assert found["advice"] in page.text
    assert "Buying was stopped" not in page.text
    plots = json.loads(next(script for script in page.scripts if script.startswith('{"')))
    assert {"plot-rounds-0"} == {name for name in page.ids if name and name.startswith("plot-rounds")}
    assert [trace["mode"] for trace in plots["rounds-0"]["data"]] == ["lines", "lines", "lines", "markers"]


def test_the_bill_counts_all_rounds_and_only_who_bought_in_rounds_has_a_curve(finished: Path) -> None:
    summary = json.loads((finished / "runs/tiny/summary.json").read_text())
    bill = summary["teacher"]
    assert bill["planned"]["requests"] == bill["planned"]["expected"]["queries"] == bill["charged"]["queries"] == 8
    assert bill["planned"]["spent"]["run"]["queries"] == 0
    assert float(bill["charged"]["usd"]) == float(bill["usd"]) <= float(bill["planned"]["worst"]["usd"]) <= 0.01
    assert len(summary["rounds"]["points"]) == 3
    assert not any("rounds" in arm for arm in summary["arms"].values())


def test_an_arm_without_an_assistant_shares_the_replies_of_all_rounds(finished: Path) -> None:
    run = finished / "runs/tiny"
    assert sorted(path.name for path in (run / "arms/direct").iterdir()) == ["evaluate", "student"]


def test_a_second_call_does_nothing_and_status_knows_every_stage(finished: Path) -> None:
    again = command("run", finished / "run.yaml")
    assert again.returncode == 0, again.stderr
    assert "working" not in again.stderr
    found = json.loads(command("status", finished / "runs/tiny", "--json").stdout)["stages"]
    names = {row["stage"] for row in found}
    assert {f"round-{number}/{part}" for number in (1, 2) for part in PARTS} <= names
    assert {"round-2/score", "round-3/score", "held-out", "curve"} <= names
    assert {row["state"] for row in found} == {"done"}


def test_killed_at_any_moment_rounds_end_with_the_same_choices_and_pay_once(
    finished: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "killed", in_rounds(tiny_base))
    draw = random.Random(5)
    stages = ("round-2/score", "round-2/teach", "round-2/held-out")
    kills = killed([(f"tiny/{stage}", draw.random() / 4) for stage in stages], "run", file, "--until", "curve")
    assert kills, "some of these stages take longer than a quarter of a second"
    last = command("run", file, "--until", "curve")
    assert last.returncode == 0, last.stderr
    mine, whole = tmp_path / "killed/runs/tiny", finished / "runs/tiny"
    assert artifacts.choices(mine / "select") == artifacts.choices(whole / "select")
    assert artifacts.curve(mine / "curve") == artifacts.curve(whole / "curve")
    paid = charges(tmp_path / "killed/runs/replies.sqlite")
    assert len(paid) == len(set(paid)) == 8


def test_a_rule_stops_paying_and_what_is_left_stays_unspent(tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "r", in_rounds(tiny_base, select={**ROUNDS, "rounds": 4, "stop_below": 1e9}))
    done = command("run", file, "--until", "curve")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "r/runs/tiny"
    assert len(chosen(run / "select")) == len(charges(tmp_path / "r/runs/replies.sqlite")) == 4
    assert "is under select.stop_below (1e+09)" in artifacts.curve(run / "round-2/curve")["stop"]
    rows = json.loads(command("status", run, "--json").stdout)["stages"]
    skipped = {row["stage"] for row in rows if row["state"] == "skipped"}
    assert skipped == {f"round-3/{part}" for part in ["score", *PARTS]} | {"round-4/score", "held-out", "curve"}
    again = command("run", file, "--until", "curve")
    assert "working" not in again.stderr
    told = Page.read(run / "report.html").text
    assert "Buying was stopped after round 2: a predicted gain of" in told
    changed = command("run", file, "--until", "curve", "--set", "select.stop_below=2e9")
    assert changed.returncode == 2
    assert "--rebuild round-2/curve" in changed.stderr


def test_a_cap_on_money_is_shared_by_rounds_and_what_it_left_unasked_may_be_chosen_again(
    tiny_base: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "r", in_rounds(tiny_base, budget={"usd": "0.003"}))
    done = command("run", file, "--until", "curve")
    assert done.returncode == 0, done.stderr
    run, spent = tmp_path / "r/runs/tiny", []
    for number, name in enumerate(("round-1", "round-2", "."), start=1):
        figures = read_record(run / name / "teach")["figures"]
        assert float(figures["usd"]) <= 0.003 * number / 3
        spent.append(float(figures["usd"]))
        assert figures["ended_by"] == "usd"
    assert spent == sorted(set(spent))
    replies = [reply.question_id for reply in artifacts.replies(run / "teach")]
    assert len(set(replies)) == len(replies) == len(charges(tmp_path / "r/runs/replies.sqlite"))
    assert not set(replies) & held_out(run)


def test_plan_counts_what_rounds_add(tiny_base: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "r", in_rounds(tiny_base, arms={"once": {"select.rounds": 1}}))
    found = json.loads(command("plan", file, "--json").stdout)
    assert not any(name.startswith("round-") for name in found["arms"]["once"]["to_do"])
    assert found["teacher"]["modes"]["direct"]["requests"] == 8
    assert "round-2/score" in found["to_do"]
    assert found["seconds"] is None, "nothing is known of a base that is not embedded"


def test_plan_counts_the_time_of_scoring_and_tuning_again(tmp_path: Path) -> None:
    made = {
        "name": "r",
        "data": {"train": "practice:legal?n=300&seed=1", "test": "practice:legal?n=20&seed=2"},
        "budget": {"queries": 20},
        "teacher": {"provider": "expert"},
    }
    plans = {}
    for rounds in (1, 3):
        file = write(tmp_path / str(rounds), {**made, "select": {"rounds": rounds}})
        plans[rounds] = json.loads(command("plan", file, "--json").stdout)
    assert plans[3]["disk_bytes"] > plans[1]["disk_bytes"]
    # Each plan measures this machine anew: what one stage takes is the unit.
    once, thrice = (plans[rounds]["seconds"] / plans[rounds]["stage_seconds"]["score"] for rounds in (1, 3))
    assert thrice > 1.2 * once


def test_one_round_has_the_stages_and_settings_that_runs_always_had(tiny_base: Path, tmp_path: Path) -> None:
    measures = {"signals": ["draft_entropy", "length"], "difficulty": {"draft_entropy": 1}}
    run = read_run(write(tmp_path / "r", in_rounds(tiny_base, select={"held_out": 7}, score=measures))).run
    plan = {stage.name: (sorted(stage.settings), stage.inputs) for stage in stages_of(run, run.name, run.assistant)}
    tested = [f"evaluate/{name}" for name in ("base", "assistant", "student")]
    assert [*plan] == ["data", "score", "select", "teach", "assistant", "tutor", "student", *tested]
    assert plan["score"] == (["base", "embedder", "score", "seed"], ("data",))
    assert plan["select"] == (["queries", "samples", "seed", "select"], ("data", "score"))
    assert plan["teach"] == (["budget", "teacher"], ("data", "select"))
    assert plan["assistant"] == (["assistant", "base", "seed"], ("data", "teach"))


def test_where_a_signal_may_draw_the_stage_says_what_draws_depend_on(tiny_base: Path, tmp_path: Path) -> None:
    run = read_run(write(tmp_path / "r", in_rounds(tiny_base))).run
    plan = {stage.name: sorted(stage.settings) for stage in stages_of(run, run.name, run.assistant)}
    assert plan["score"] == ["base", "draws", "embedder", "score", "seed"]
    assert plan["round-2/score"] == plan["score"][1:]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"select": {"rounds": 2, "stop_below": 5}}, "select: stop_below needs at least 3 rounds"),
    ({"assistant": None, "tutor": None}, "select.rounds: 3 rounds tune an assistant, and there is none"),
    ({"select": {"rounds": 3, "held_out": 50}}, "select.held_out: 50 of 40 training questions"),
    ({"budget": {"queries": 2}}, "select.rounds: the budget pays for 2 questions, which is fewer than 3 rounds"),
    ({"select": {}, "assistant": None, "tutor": None, "arms": {"a": {"select.rounds": 2}}}, "select.rounds: 2 rounds"),
    (
        {"select": {**ROUNDS, "stop_below": 5}, "teacher": {"provider": "expert"}, "budget": {"queries": 9}},
        "select.stop_below: 5 points a dollar need a price",
    ),
    (
        {"select": {"method": "k_means"}, "budget": {"usd": "0.003"}},
        "select.method: k_means chooses a count of questions, and this budget may end anywhere among all 40",
    ),
    (
        {"select": {"method": "typical"}, "budget": {"queries": 40, "usd": "0.003"}},
        "select.method: typical chooses a count of questions, and this budget may end anywhere among all 40",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_rounds_that_cannot_be_are_refused_in_one_sentence(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    failed = command("run", write(tmp_path / "r", in_rounds(tiny_base, **changes)))
    assert failed.returncode == 2, failed.stderr
    assert failed.stderr.splitlines()[-1].startswith(f"bridge-distill: {sentence}")
    assert "Traceback" not in failed.stderr
    assert "score: done" not in failed.stderr, "nothing long is done first"


def test_questions_are_held_out_from_those_with_a_known_answer() -> None:
    pool = [Question(f"q{n}", "?", "yes_no", answer="yes" if n % 2 else None) for n in range(20)]
    settings = Select(rounds=2, held_out=8)
    drawn = selection.held_out(settings, pool, 3)
    assert len(drawn) == 8
    assert all(question.answer == "yes" for question in drawn)
    assert drawn == selection.held_out(settings, pool, 3)
    assert drawn != selection.held_out(settings, pool, 4)
    with pytest.raises(UserError, match=r"select\.held_out: 11 of 20 training questions \(10 with a known answer\)"):
        selection.held_out(Select(rounds=2, held_out=11), pool, 3)
