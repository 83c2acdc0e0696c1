"""The report against a run folder made by hand: 400 questions in the pool, 20 chosen, 120 tested, some text hostile."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge_distill import artifacts
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Choice, Question, Rationale, Reply, Score, Verdict
from bridge_distill.report import summarise, write_report
from bridge_distill.report.coverage import read_pool
from bridge_distill.report.folder import open_run
from bridge_distill.report.reach import reach
from bridge_distill.report.verdict import outcome
from bridge_distill.report.words import money, percent
from bridge_distill.statistics import interval, paired_difference
from pages import Page

HOSTILE = "</script><script>alert(1)</script><img src='https://evil.example/x.png' onerror=alert(2)>"
TEXTS = [
    HOSTILE,
    "x" * 100_000,
    "هل للمحكمة ولاية قضائية؟ \u202eabc",
    "🧑‍⚖️ 👩🏽‍🔬 court? \x00\x1b[31m",
    "a < b && c > d {{ 7 * 7 }}",
]
POOL, CHOSEN, TESTED = 400, 20, 120
STAGES = ["data", "score", "select", "teach", "assistant", "tutor", "student"]
STAGES += [f"evaluate/{model}" for model in ("base", "assistant", "student")]
DIRECT = {"student": "arms/direct/student", "evaluate/student": "arms/direct/evaluate/student"}
CASES = [
    "Ms. Alder, a citizen of Ohio, sues Birch Works, incorporated in Delaware with its head office in Texas, for"
    " {0},000 dollars over a broken contract. Does a federal court have diversity jurisdiction?",
    "Mr. Cole of Maine and Dune Freight, a Maine company, dispute {0},500 dollars of unpaid storage fees. May the case"
    " be heard in federal court on diversity grounds?",
]


def question(name: str, index: int) -> Question:
    text = TEXTS[index] if index < len(TEXTS) else f"Case {index}. " + CASES[index % 2].format(60 + index)
    return Question(f"{name}-{index}", text, "yes_no", answer="yes" if index % 2 else "no")


def build_run(path: Path) -> Path:
    """A finished run with one arm (the student taught directly) that shares the run's replies."""
    run = path / "legal"
    for folder in [*STAGES, *DIRECT.values()]:
        (run / folder).mkdir(parents=True)
    stages = {stage: stage for stage in STAGES}
    arm = {stage: folder for stage, folder in stages.items() if stage in ("data", "score", "select", "teach")} | DIRECT
    config = {
        "name": "legal",
        "seed": 7,
        "runs": str(path),
        "data": {"train": str(path / "questions/train.jsonl"), "test": "practice:legal?n=4"},
        "teacher": {"provider": "openai", "key_env": "BRIDGE_KEY", "key_command": "cat 'sk-very-secret file'"},
        "note": HOSTILE,
    }
    facts = {"name": "legal", "config": config, "plan": STAGES, "stages": stages, "arms": {"direct": arm}}
    secret = "teacher.key_command=cat 'sk-very-secret file'"
    facts["command"] = shlex.join(
        ["bridge-distill", "run", str(path / "legal.yaml"), "--set", secret, "--set", "seed=7"]
    )
    facts["command"] += f" --set data.train={path}/questions/train.jsonl"
    (run / "run.json").write_text(json.dumps(facts))
    _write_pool(run)
    _write_teaching(run)
    _write_training(run)
    _write_verdicts(run)
    return run


def record(run: Path, stage: str, seconds: float, figures: dict[str, Any]) -> None:
    content = {
        "stage": stage,
        "fingerprint": "f",
        "settings": {},
        "inputs": {},
        "seed": 7,
        "seconds": seconds,
    }
    content |= {
        "versions": {"torch": "2.13.0", "python": "3.11.9"},
        "peak_memory_bytes": int(1.7e9),
        "commit": "abc1234",
    }
    content |= {"finished_at": "2026-11-20T10:00:00+00:00", "figures": figures}
    (run / stage / "record.json").write_text(json.dumps(content))


def _write_pool(run: Path) -> None:
    train, draw = [question("train", i) for i in range(POOL)], np.random.default_rng(1)
    write_rows(run / "data" / artifacts.TRAIN, Question, train)
    write_rows(run / "data" / artifacts.TEST, Question, [question("test", i) for i in range(TESTED)])
    rejected = [{"file": "train.jsonl", "line": 12, "reason": "not JSON", "row": HOSTILE}]
    rejected += [{"file": "train.jsonl", "line": 40 + i, "reason": "no question", "row": "{}"} for i in range(3)]
    (run / "data" / artifacts.REJECTED).write_text("".join(json.dumps(row) + "\n" for row in rejected))
    figures = {"train": POOL, "test": TESTED, "beyond_limit": {"train": 0, "test": 7}, "majority": 0.5}
    figures["rejected"] = {"no question": 3, "not JSON": 1}
    shared = {"words": 8, "questions": 4, "share": 4 / TESTED}
    top = [{"id": "test-9", "shared": 0.25}]
    record(run, "data", 0.8, {**figures, "overlap": shared, "overlap_top": top})
    groups = draw.integers(0, 5, POOL)
    vectors = draw.normal(size=(5, 32))[groups] * 3 + draw.normal(size=(POOL, 32))
    np.save(run / "score" / artifacts.EMBEDDINGS, vectors.astype(np.float32))
    hard = draw.beta(2, 3, POOL)
    write_rows(
        run / "score" / artifacts.SCORES,
        Score,
        [Score(q.id, float(h)) for q, h in zip(train, hard, strict=True)],
    )
    record(run, "score", 64.2, {})
    picked = [0, 1, 2, 3, 4, *range(10, 310, 20)]
    ranks = {index: rank for rank, index in enumerate(picked)}
    choices = [
        Choice(q.id, i in ranks, ranks.get(i), 0.5, "covers a new region" if i in ranks else "")
        for i, q in enumerate(train)
    ]
    write_rows(run / "select" / artifacts.CHOICES, Choice, choices)
    record(run, "select", 0.3, {"method": "bridge"})


def _write_teaching(run: Path) -> None:
    chosen = [choice.question_id for choice in artifacts.choices(run / "select") if choice.chosen]
    replies = [Reply(q, 0, f"h{q}", "openai", "m", HOSTILE, "stop", 90, 60, 2500, i < 5) for i, q in enumerate(chosen)]
    write_rows(run / "teach" / artifacts.REPLIES, Reply, replies)
    reasons = ["kept"] * 17 + ["wrong answer"] * 2 + [f"cut off {HOSTILE}"]
    texts = [Rationale(q, 0, "expert", "t", "yes", why == "kept", why) for q, why in zip(chosen, reasons, strict=True)]
    write_rows(run / "teach" / artifacts.RATIONALES, Rationale, texts)
    figures = {"queries": 21, "input_tokens": 1890, "output_tokens": 1200, "usd": "0.037500", "from_store": 5}
    record(run, "teach", 12.5, {**figures, "failed": [], "exhausted": False})
    own = [
        Rationale(f"train-{i}", 0, "assistant", "t", "yes", i % 4 != 0, "repeats itself" if i % 4 == 0 else "kept")
        for i in range(POOL - CHOSEN)
    ]
    write_rows(run / "tutor" / artifacts.RATIONALES, Rationale, [texts[0], *own])
    gone = sum(not row.kept for row in own)
    step = {"filter": "repetition", "in": len(own), "removed": gone, "out": len(own) - gone}
    steps = [{**step, "reasons": {"repeats itself": gone}}]
    record(run, "tutor", 191.0, {"written": len(own), "kept": len(own) - gone, "filters": steps})


def _write_training(run: Path) -> None:
    figures = {
        "parameters": 134_515_008,
        "trained_parameters": 9_700_000,
        "examples": 17,
        "too_long": 0,
        "steps": 30,
        "tokens": 9000,
    }
    record(run, "assistant", 77.0, {**figures, "losses": _curve(30, 1.9), "megabytes": 538.1})
    parts = {"examples": 80, "too_long": 1, "steps": 40, "tokens": 40_000}
    phases = [
        {**parts, "name": name, "losses": _curve(40, top)} for name, top in (("instruct", 2.4), ("rationales", 1.5))
    ]
    small = {
        "parameters": 14_200_000,
        "trained_parameters": 14_200_000,
        "examples": 302,
        "too_long": 1,
        "steps": 80,
        "tokens": 80_000,
    }
    for folder in ("student", DIRECT["student"]):
        record(run, folder, 122.4, {**small, "megabytes": 56.8, "phases": phases})


def _curve(steps: int, top: float) -> list[list[float]]:
    return [[step, round(0.2 + top / (1 + step / 6), 4)] for step in range(1, steps + 1, 2)]


def _write_verdicts(run: Path) -> None:
    right = {"evaluate/base": range(0, 37), "evaluate/assistant": range(10, 100), "evaluate/student": range(0, 94)}
    for folder, correct in {**right, DIRECT["evaluate/student"]: range(24, 96)}.items():
        rows = [_verdict(folder.split("/")[-1], i, i in correct) for i in range(TESTED)]
        write_rows(run / folder / artifacts.VERDICTS, Verdict, rows)
        record(run, folder, 30.1, {"questions": TESTED, "correct": len(correct)})


def _verdict(model: str, index: int, correct: bool) -> Verdict:
    gold = "yes" if index % 2 else "no"
    steps = "Diversity needs parties of different states and more than $75,000 in dispute.\nBoth hold here."
    text = TEXTS[index] if index < len(TEXTS) else f"{steps}\nAnswer: {gold}"
    parsed = correct or index % 3 != 0
    answer = (gold if correct else HOSTILE if index == 100 else "maybe") if parsed else None
    return Verdict(f"test-{index}", model, text, answer, correct, parsed, index >= 115, 40)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(finished: Path) -> Page:
    return Page.read(write_report(finished))


def test_hostile_text_stays_text(page: Page) -> None:
    assert len(page.scripts) == 5
    plots = json.loads(page.scripts[0])
    assert set(plots) == {"accuracy", "coverage", "curriculum", "difficulty", "funnel", "losses", "reach"}
    assert "alert(1)" not in "".join(page.scripts[2:])
    assert page.text.count(HOSTILE) > 3, "it is shown as it was written"
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "embed", "base", "form")]
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]


def test_plots_show_hostile_text_without_their_own_markup(page: Page) -> None:
    plots = json.loads(page.scripts[0])
    hovers = "".join(plots["coverage"]["data"][1]["text"]) + "".join(plots["funnel"]["data"][0]["y"])
    assert "alert(1)" in hovers
    assert "<script" not in hovers
    assert "<img" not in hovers


def test_reach_counts_the_pool_near_what_was_chosen_beside_random() -> None:
    draw = np.random.default_rng(0)
    vectors = (np.repeat(np.eye(8, 16), 40, axis=0) * 9 + draw.normal(size=(320, 16)) * 0.1).astype(np.float32)
    tour, same = np.arange(8) * 40, np.arange(8)
    found, worst = reach(vectors, tour), reach(vectors, same)
    assert found is not None
    assert worst is not None
    np.testing.assert_array_equal(found.budgets, np.arange(1, 9))
    assert found.chosen[-1] > 0.9, "one question of each cluster speaks for all of it"
    assert worst.chosen[-1] < 0.2, "eight of one cluster speak for no other"
    assert worst.chosen[-1] < found.random[-1] < found.chosen[-1]
    assert (np.diff(found.chosen) >= 0).all()
    assert (np.diff(found.random) >= 0).all()
    assert reach(vectors, tour[:1]) is None


def test_the_page_says_what_share_of_the_pool_is_within_reach(finished: Path, page: Page) -> None:
    pool = read_pool(open_run(finished))
    assert pool is not None
    assert pool.reach is not None
    assert pool.reach.budgets[-1] == CHOSEN
    assert f"in the end {percent(pool.reach.chosen[-1])}, where as many questions drawn at random reach" in page.text
    plots = json.loads(page.scripts[0])
    assert [trace["name"] for trace in plots["reach"]["data"]] == ["random", "chosen"]
    assert [trace["name"] for trace in plots["difficulty"]["data"]] == ["not chosen", "chosen"]


def test_only_our_scripts_may_run(page: Page) -> None:
    policy = next(found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts[2:]]
    assert "default-src 'none'" in policy
    assert policy.endswith("script-src " + " ".join(f"'sha256-{digest}'" for digest in digests))


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    links = [
        found[name] or "" for _, found in page.tags for name in ("src", "href", "srcset", "action") if name in found
    ]
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= {found.get("id") for _, found in page.tags}
    assert "@media print" in page.style
    assert not re.search(r"url\(|@import", page.style)


def test_every_figure_has_a_place_a_name_and_rows_have_headers(page: Page) -> None:
    places = {found["id"]: found for _, found in page.tags if (found.get("id") or "").startswith("plot-")}
    assert {f"plot-{name}" for name in json.loads(page.scripts[0])} == set(places)
    assert all(found["role"] == "img" and found["aria-label"] for found in places.values())
    assert all(found.get("scope") for tag, found in page.tags if tag == "th")
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))


def test_secrets_are_not_shown(finished: Path, page: Page) -> None:
    for name in ("report.html", "summary.json"):
        assert "sk-very-secret" not in (finished / name).read_text(encoding="utf-8")
    assert "key_env: BRIDGE_KEY" in page.text
    assert "--set 'teacher.key_command=(hidden)' --set seed=7" in page.text


def test_a_page_does_not_say_where_on_this_machine_it_was_made(finished: Path, page: Page) -> None:
    assert str(finished.parent) not in page.text
    assert "bridge-distill run ../legal.yaml" in page.text
    assert "--set data.train=../questions/train.jsonl" in page.text
    for line in ("runs: ..\n", "  train: ../questions/train.jsonl\n", "  test: practice:legal?n=4\n"):
        assert line in page.text


def test_rows_left_out_are_counted_and_listed(page: Page) -> None:
    assert "11 rows were left out: 3 no question, 1 not JSON, 7 test beyond the limit." in page.text
    assert "Rows rejected" in page.text
    assert "4 test questions share a run of 8 words with the pool, 3% of the test." in page.text


@pytest.mark.parametrize(
    ("usd", "words"),
    [(["0.037500"], "$0.0375"), (["0.0375", "0.0125"], "$0.05"), (["1234.567"], "$1,234.57"), (["0"], "$0.00")],
)
def test_money_is_exact_where_it_is_small(usd: list[str], words: str) -> None:
    assert money(*usd) == words


def test_the_verdict_is_said_in_words(page: Page) -> None:
    assert (
        "For 20 paid questions ($0.05) the 14.2M-parameter student answers 78% [70, 85] of 120 test questions; "
        "taught directly on the same replies, it answers 60%, a difference of 18 points [10, 26]." in page.text
    )
    assert "Always giving the most frequent answer scores 50%: the student is above that." in page.text
    assert "The assistant answers 75%: the difference of 3 points" in page.text
    assert "is not resolved; with 120 questions only a difference of about" in page.text


def test_summary_figures_equal_those_made_by_hand(finished: Path) -> None:
    summary = summarise(finished)
    student = summary["models"]["student"]
    low, high = interval(94, 120)
    assert (
        student | {"n": 120, "correct": 94, "accuracy": 94 / 120, "low": low, "high": high, "tokens": 4800} == student
    )
    assert student["truncated"] == 5
    assert student["parse_failures"] == len([i for i in range(94, 120) if i % 3 == 0])
    assert {key: model["correct"] for key, model in summary["models"].items()} == {
        "base": 37, "assistant": 90, "student": 94, "direct": 72,
    }  # fmt: skip
    expected = paired_difference(np.arange(120) < 94, (np.arange(120) >= 24) & (np.arange(120) < 96))
    found = summary["differences"]["direct"]
    assert (found["points"], found["low"], found["high"], found["p"]) == (
        expected.points,
        expected.low,
        expected.high,
        expected.p,
    )
    assert found["resolved"] is True
    assert found["discordant"] == 26
    assert summary["differences"]["assistant"]["resolved"] is False
    assert summary["majority"] == 0.5


def test_summary_counts_money_and_what_was_kept(finished: Path) -> None:
    summary = summarise(finished)
    assert summary["chosen"] == 20
    assert summary["teacher"] == {
        "queries": 21, "input_tokens": 1890, "output_tokens": 1200, "usd": "0.037500", "from_store": 5,
        "exhausted": False, "failed": 0, "failures": {}, "replies": 20, "questions": 20,
        "paid": {"replies": 15, "input_tokens": 1350, "output_tokens": 900}, "usd_from_store": "0.012500",
    }  # fmt: skip
    assert summary["rationales"]["expert"]["kept"] == 17
    [step] = summary["rationales"]["assistant"].pop("filters")
    assert (step["in"], step["removed"], step["out"]) == (380, 95, 285)
    assert summary["rationales"]["assistant"] == {"written": 380, "kept": 285, "dropped": {"repeats itself": 95}}
    assert summary["student"]["parameters"] == 14_200_000
    assert summary["student"]["megabytes"] == 56.8
    assert summary["stages"]["teach"] == {"seconds": 12.5, "peak_memory_bytes": 1_700_000_000}
    assert set(summary["stages"]) == {*STAGES, *DIRECT.values()}
    assert summary["arms"]["direct"]["same_replies"] is True
    assert summary["arms"]["direct"]["assistant"] is False


def test_summary_json_holds_what_summarise_returns(finished: Path, page: Page) -> None:
    assert json.loads((finished / "summary.json").read_text(encoding="utf-8")) == summarise(finished)


def test_a_second_report_is_the_same_file(finished: Path, page: Page) -> None:
    before = (finished / "report.html").read_bytes()
    assert write_report(finished).read_bytes() == before
    assert not list(finished.glob("*.partial"))


@pytest.mark.parametrize("done", range(len(STAGES)))
def test_an_unfinished_run_is_reported_as_far_as_it_went(finished: Path, tmp_path: Path, done: int) -> None:
    run = tmp_path / "partial"
    shutil.copytree(finished, run)
    for folder in [*STAGES[done:], *DIRECT.values()]:
        shutil.rmtree(run / folder)
        (run / folder).mkdir()
    facts = json.loads((run / "run.json").read_text())
    facts |= {"stages": {stage: stage for stage in STAGES[:done]}, "arms": {"direct": {}}}
    (run / "run.json").write_text(json.dumps(facts))
    page = Page.read(write_report(run))
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert "This run is not finished" in page.text
    assert page.text.count("not run yet") == len([stage for stage in STAGES[done:] if "/" not in stage]) + (done < 8)
    assert list(summary.get("stages", {})) == STAGES[:done]
    assert ("teacher" in summary) is (done > 3)


@pytest.mark.parametrize("missing", [*STAGES, *DIRECT.values()])
def test_any_one_stage_may_be_missing(finished: Path, tmp_path: Path, missing: str) -> None:
    run = tmp_path / "holey"
    shutil.copytree(finished, run)
    (run / missing / "record.json").unlink()
    assert Page.read(write_report(run)).scripts
    assert missing not in summarise(run)["stages"]


def test_a_folder_that_is_no_run_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no run\.json"):
        write_report(tmp_path)


@pytest.mark.parametrize(("content", "problem"), [("{", "cannot be read as JSON"), ("[1]", "holds list")])
def test_a_broken_run_file_is_a_user_error(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=problem):
        summarise(tmp_path)


def test_stages_that_disagree_on_the_pool_are_a_user_error(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "torn"
    shutil.copytree(finished, run)
    np.save(run / "score" / artifacts.EMBEDDINGS, np.zeros((3, 8), np.float32))
    with pytest.raises(UserError, match="disagree on the pool"):
        write_report(run)


def rewrite(run: Path, folder: str, keep: Callable[[int], bool], correct: Callable[[int], bool]) -> None:
    rows = [_verdict("student", i, correct(i)) for i in range(TESTED) if keep(i)]
    write_rows(run / folder / artifacts.VERDICTS, Verdict, rows)


def test_an_arm_named_like_a_model_is_kept_apart(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "named"
    shutil.copytree(finished, run)
    facts = json.loads((run / "run.json").read_text())
    facts["arms"] = {"student": facts["arms"]["direct"]}
    (run / "run.json").write_text(json.dumps(facts))
    summary = summarise(run)
    assert summary["models"]["student"]["correct"] == 94
    assert summary["models"]["student (arm)"]["correct"] == 72
    assert "The arm “student (arm)”" in Page.read(write_report(run)).text


def test_only_questions_that_both_answered_are_paired(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "overlapping"
    shutil.copytree(finished, run)
    rewrite(run, DIRECT["evaluate/student"], lambda i: i >= 60, lambda i: i < 94)
    found = summarise(run)["differences"]["direct"]
    assert (found["n"], found["discordant"], found["resolved"], found["detectable"]) == (60, 0, False, None)
    page = Page.read(write_report(run))
    text = page.text
    assert json.loads(page.scripts[1])["models"][3]["states"].startswith("-" * 60)
    assert "so few on which the two differ, no difference would show reliably" in text


def test_a_worse_student_is_worse_by_a_positive_gap() -> None:
    difference = {"points": -11.0, "low": -20.0, "high": -2.0, "resolved": True, "n": 120, "detectable": 9.0}
    assert outcome(difference) == "the student is 11 points [2, 20] worse"


def test_the_curriculum_is_told_phase_by_phase_on_one_axis_of_tokens(page: Page) -> None:
    rows = [row for row in page.rows if row[1:2] in (["instruct"], ["rationales"])]
    assert [row[:2] for row in rows] == [
        ["Student", "instruct"],
        ["Student", "rationales"],
        ["Arm “direct”", "instruct"],
        ["Arm “direct”", "rationales"],
    ]
    assert rows[0][2:6] == ["80", "1", "40", "40,000"]
    lines = [trace for trace in json.loads(page.scripts[0])["curriculum"]["data"] if trace["mode"] == "lines"]
    assert [trace["name"] for trace in lines] == ["Student", "Arm “direct”"]
    for trace in lines:
        told = [at for at in trace["x"] if at is not None]
        assert told == sorted(told)
        assert 0 < told[0] < 40_000 < told[-1] <= 80_000
