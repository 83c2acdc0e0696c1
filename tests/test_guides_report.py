"""What the report says of guides: accuracy beside tokens, paired with the answers without them, for run and arms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge_distill import artifacts
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Verdict
from bridge_distill.report import summarise, write_report
from bridge_distill.statistics import interval

PLAIN = [True, True, False, False] * 10
LONG = [True, True, True, False] * 10


def graded(folder: Path, right: list[bool], tokens: int, inputs: list[str], acts: dict[str, int] | None = None) -> None:
    """A finished test of so many questions."""
    folder.mkdir(parents=True)
    rows = [Verdict(f"q{n}", "student", "", "yes", good, True, False, tokens) for n, good in enumerate(right)]
    write_rows(folder / artifacts.VERDICTS, Verdict, rows)
    record = {"seconds": 1.0, "inputs": dict.fromkeys(inputs, "d"), "figures": {} if acts is None else {"acts": acts}}
    (folder / "record.json").write_text(json.dumps(record))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two guides on its student, and an arm that tested one of them on a student of its own."""
    student = ["data", "student"]
    graded(tmp_path / "evaluate/student", PLAIN, 10, student)
    graded(tmp_path / "guide/long", LONG, 25, [*student, "teach"], {"cue": 1234, "answer": 0})
    graded(tmp_path / "guide/<b>bold", PLAIN, 12, student, {"answer": 3})
    graded(tmp_path / "arms/other/evaluate/student", LONG, 11, student)
    graded(tmp_path / "arms/other/guide/long", PLAIN, 30, student, {"cue": 7})
    stages = ["evaluate/student", "guide/long", "guide/<b>bold"]
    own = {stage: f"arms/other/{stage}" for stage in stages[:2]}
    facts = {"name": "r", "plan": stages, "stages": {stage: stage for stage in stages}}
    (tmp_path / "run.json").write_text(json.dumps(facts | {"arms": {"other": own, "same": facts["stages"]}}))
    return tmp_path


def test_each_guide_stands_beside_the_answers_without_it(run: Path) -> None:
    found = summarise(run)
    told: dict[str, Any] = found["guides"]
    assert told["model"] == "student"
    plain, long, bold = told["answers"]
    assert (plain["name"], plain["tokens_each"], plain["accuracy"]) == (None, 10, 0.5)
    assert (long["name"], long["tokens_each"], long["acts"]) == ("long", 25, {"cue": 1234, "answer": 0})
    assert (long["low"], long["high"]) == interval(30, 40)
    assert (long["difference"]["points"], long["difference"]["resolved"]) == (25, True)
    assert (bold["difference"]["points"], bold["difference"]["resolved"]) == (0, False)


def test_an_arm_tells_of_its_own_guides_and_not_of_those_that_it_shares(run: Path) -> None:
    arms = summarise(run)["arms"]
    assert [row["name"] for row in arms["other"]["guides"]["answers"]] == [None, "long"]
    assert arms["other"]["guides"]["answers"][1]["difference"]["points"] == -25
    assert "guides" not in arms["same"]


def test_the_page_shows_guides_in_words_and_plots_them(run: Path) -> None:
    page = write_report(run).read_text(encoding="utf-8")
    assert "1,234 told to think on" in page
    assert "Arm “other”" in page
    assert "not resolved" in page
    assert "&lt;b&gt;bold" in page
    assert 'id="plot-guides-0"' in page
    assert 'id="plot-guides-1"' in page


def test_a_run_without_guides_says_nothing_of_them(run: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"stages": {"evaluate/student": "evaluate/student"}, "arms": {}}))
    assert "guides" not in summarise(run)
    assert 'id="guides"' not in write_report(run).read_text(encoding="utf-8")
