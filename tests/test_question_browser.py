"""What the page's question browser is given: every text, cut where all would be too much, inert in its script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answered import DOMAINS, HOSTILE, TEXTS, answered_run, is_right
from bridge_distill.records import Question, Verdict
from bridge_distill.report import write_report
from bridge_distill.report.browser import LONGEST, browser, fitting
from bridge_distill.report.folder import Graded
from pages import Page


@given(st.lists(st.integers(0, 3 * LONGEST), min_size=1, max_size=40), st.integers(0, 200_000))
def test_the_limit_is_the_largest_for_which_all_texts_fit(lengths: list[int], room: int) -> None:
    limit = fitting(lengths, room)
    assert 0 <= limit <= LONGEST
    assert sum(min(length, limit) for length in lengths) <= room
    larger = sum(min(length, limit + 1) for length in lengths)
    assert limit == LONGEST or larger > room


@given(st.text(), st.text(), st.one_of(st.none(), st.text()))
def test_any_text_comes_back_from_the_script_that_holds_it(asked: str, said: str, answer: str | None) -> None:
    question = Question("q", asked, "text", domain=said)
    rows = [Verdict("q", "student", said, answer, False, answer is not None, False, 1)]
    found = browser([question], [Graded("student", "Student", None, "evaluate/student", rows)])
    assert found is not None
    assert "<" not in found.data, "nothing in it can end the script or begin a comment"
    back = json.loads(found.data)
    assert back["questions"]["texts"] == [asked]
    assert back["models"][0]["texts"] == [said]
    assert back["models"][0]["answers"] == [answer]
    assert back["domains"] == [said]


def test_a_model_that_was_not_asked_a_question_has_no_verdict_on_it() -> None:
    questions = [Question("a", "A?", "text"), Question("b", "B?", "text")]
    rows = [Verdict("b", "student", "so", "x", True, True, True, 3)]
    found = browser(questions, [Graded("student", "Student", None, "evaluate/student", rows)])
    assert found is not None
    assert json.loads(found.data)["models"][0] == {
        "label": "Student", "states": "-R", "answers": [None, "x"], "texts": [None, "so"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page.read(write_report(answered_run(tmp_path_factory.mktemp("runs"), 60)))


def test_the_page_holds_every_question_and_every_models_verdict(page: Page) -> None:
    data = json.loads(page.scripts[1])
    assert len(data["questions"]["ids"]) == 60
    assert data["questions"]["texts"][0] == HOSTILE
    assert [model["label"] for model in data["models"]] == ["Untuned base", "Assistant", "Student", "Arm “direct”"]
    assert data["domains"] == sorted(DOMAINS)
    states = data["models"][2]["states"]
    assert [state.lower() == "r" for state in states] == [is_right("student", index) for index in range(60)]
    assert states[0] == "R"
    assert states[9] == "w"


def test_texts_that_are_cut_are_counted_on_the_page(page: Page) -> None:
    data = json.loads(page.scripts[1])
    assert data["questions"]["texts"][1] == ["x" * LONGEST, len(TEXTS[1]) - LONGEST]
    assert f"5 texts are cut to {LONGEST:,} characters, which leaves out {5 * (1_000_000 - LONGEST):,}" in page.text


def test_controls_have_names_and_the_list_is_announced(page: Page) -> None:
    controls = [tag for tag, _ in page.tags if tag in ("input", "select")]
    assert len(controls) == len([tag for tag, _ in page.tags if tag == "label"]) == 6
    roles = {found.get("role") for _, found in page.tags}
    assert {"search", "status"} <= roles


def test_a_run_without_tested_models_has_no_browser(tmp_path: Path) -> None:
    run = answered_run(tmp_path, 3)
    for record in run.rglob("evaluate/*/record.json"):
        record.unlink()
    page = Page.read(write_report(run))
    assert "browser" not in page.ids
    assert len(page.scripts) == 3, "the figures' data, plotly and the page's own"
