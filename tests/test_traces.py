"""Hierarchical traces: written and read back, mended once, kept flat for a reason, asked for by versioned templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import artifacts, practice, prompts, templates, traces
from bridge_distill.abstraction import leak, names, numbers
from bridge_distill.answers import answer_forms, read_answer
from bridge_distill.config import Budget, Teacher
from bridge_distill.engine.rows import read_rows, write_rows
from bridge_distill.records import Question, Rationale, Reply
from bridge_distill.teacher import serve_expert
from bridge_distill.teacher.jobs import jobs_of
from bridge_distill.teacher.judging import judge
from bridge_distill.teacher.providers import providers
from bridge_distill.traces import MENDED, NO_STEPS, NO_STRATEGY, Trace, parse, read, render
from classroom import PRICE, Place, http_teacher

GOLDEN = Path(__file__).parent / "golden"
TRACE = Trace("Compare the two amounts, then say which is larger.", ("12 is more than 9.", "So it is larger."), "yes")
QUESTION = Question("q", "Ada Adams pays $1,200 and Mr. Bell 9. Does Ada pay more?", "yes_no", answer="yes")
PLAIN = "Strategy: Compare the amounts.\nSteps:\n1. 1,200 is more than 9.\n2. So it is more."
lines = st.text(min_size=1).map(traces.one_line).filter(bool)
TASKS = practice.practice_tasks.names()


def reply(text: str) -> Reply:
    return Reply("q", 0, "h", "openai", "m", text, "stop", 1, 1, 0, False)


def test_the_format_is_the_golden_one() -> None:
    assert render(TRACE) + "\n" == (GOLDEN / "trace.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", [*answer_forms.names(), "general"])
@pytest.mark.parametrize("structured", [False, True])
def test_a_template_changes_with_its_version_only(form: str, structured: bool) -> None:
    asked = templates.ask(form, "the answer", "Answer:", 80, structured)
    name = templates.name_of(form, "hierarchical")
    assert name is not None
    file = GOLDEN / f"{name.replace('/', '-')}{'-structured' * structured}.txt"
    assert asked + "\n" == file.read_text(encoding="utf-8")


@given(strategy=lines, steps=st.lists(lines, min_size=1), answer=lines)
def test_what_is_rendered_is_parsed_back(strategy: str, steps: list[str], answer: str) -> None:
    trace = Trace(strategy, tuple(steps), answer)
    assert parse(render(trace)) == trace
    assert read(render(trace).rpartition("\n")[0], answer) == traces.Reading(trace, "")
    assert "".join(part for _, part in traces.levels(render(trace), strategy)) == render(trace)


@given(text=st.text() | st.text(alphabet="Strategy: Steps1.2 \nAnswer*#-"), answer=lines)
def test_no_text_is_too_odd_to_be_read(text: str, answer: str) -> None:
    found = parse(text)
    assert found is None or render(found) == text
    reading = read(text, answer)
    assert (reading.trace is None) == reading.note.startswith("flat: ")
    assert "".join(part for _, part in traces.levels(text, None)) == text


@pytest.mark.parametrize(
    ("explanation", "note"),
    [
        (PLAIN, ""),
        ("**Strategy:** Compare the amounts.\n\n**Steps:**\n1. 1,200 is more than 9.\n2. So it is more.", MENDED),
        ("## Strategy:\nCompare the amounts.\n## Steps:\n1) 1,200 is more than 9.\n2) So it is more.", MENDED),
        ("Compare the amounts.\n1. 1,200 is more than 9.\n2. So it is more.", MENDED),
        ("Compare the amounts.\nSteps:\n1,200 is more than 9.\nSo it is more.", MENDED),
        ("Plan: Compare the amounts.\nTactics:\n- 1,200 is more than 9.\n- So it is\n  more.", MENDED),
        ("Strategy: Compare the amounts.\n1,200 is more than 9.\nSo it is more.", MENDED),
        (
            "Here it is:\n**Strategy:** Compare the amounts.\n**Steps:**\n1. 1,200 is more than 9.\n2. So it is more.",
            MENDED,
        ),
        ("Strategy: Compare the amounts.\nSteps: 1,200 is more than 9. So it is more.", MENDED),
        ("Strategy: Compare the amounts.\nStep 1: 1,200 is more than 9.\nStep 2: So it is more.", MENDED),
    ],
)
def test_a_reply_that_misses_the_format_is_mended(explanation: str, note: str) -> None:
    row = judge(reply(f"{explanation}\nAnswer: yes"), QUESTION, 80, trace="hierarchical")
    assert (row.text, row.note, row.kept) == (f"{PLAIN}\nAnswer: yes", note, True)
    assert row.strategy == "Compare the amounts."


@pytest.mark.parametrize(
    ("explanation", "note"),
    [
        ("Steps:\n1. 1,200 is more than 9.", NO_STRATEGY),
        ("Strategy: Compare the amounts.\nSteps:", NO_STEPS),
        ("1,200 is more than 9.", NO_STEPS),
        ("Strategy: Compare with 1200.\nSteps:\n1. It is more.", "flat: the strategy holds a number of the question"),
        ("Strategy: See what Bell pays.\nSteps:\n1. It is less.", "flat: the strategy holds a name of the question"),
    ],
)
def test_a_reply_without_two_levels_stays_flat_and_says_why(explanation: str, note: str) -> None:
    row = judge(reply(f"{explanation}\nAnswer: yes"), QUESTION, 80, trace="hierarchical")
    assert (row.text, row.strategy, row.note, row.kept) == (f"{explanation}\nAnswer: yes", None, note, True)


def test_a_flat_trace_is_not_read_for_levels() -> None:
    row = judge(reply(f"{PLAIN}\nAnswer: yes"), QUESTION, 80)
    assert (row.strategy, row.note) == (None, None)


@pytest.mark.parametrize("part", ["", " ", "a\nb", "a\x85b", " a"])
def test_a_part_that_is_not_one_line_is_refused(part: str) -> None:
    for trace in ((part, ("s",), "a"), ("s", (part,), "a"), ("s", ("s",), part), ("s", (), "a")):
        with pytest.raises(ValueError, match="a trace needs"):
            Trace(*trace)


def test_numbers_and_names_are_those_of_the_text() -> None:
    assert names(QUESTION.text) == {"Ada", "Adams", "Bell"}
    assert numbers("1,200 or 9.50") == numbers("9.5, and then $1200.0")
    assert leak("Divide by 1,000.", "A flow of 1000 mL") == "number"
    assert leak("Ask what the bell costs.", QUESTION.text) is None
    assert names("Which one?\nA) Compare them\nB) Count both of Ann's") == {"Ann's"}


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(strategy: str, question: str) -> None:
    assert leak(strategy, question) in (None, "number", "name")


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_keeps_to_the_format_and_gives_no_question_away(task: str) -> None:
    for question in practice.make(task, 60, 5, 0.9):
        for error in (False, True):
            trace = practice.trace(question.text, 1, error)
            assert trace is not None
            flat = practice.explain(question, phrasing=1, error=error)
            assert read_answer(render(trace), question) == read_answer(flat, question)
            row = judge(reply(render(trace)), question, 200, trace="hierarchical")
            assert (row.note, row.strategy) == ("", trace.strategy)


def teachers() -> list[Teacher]:
    prices = {"expert": PRICE}
    flat = Teacher(provider="expert", prices=prices)
    return [flat, Teacher(provider="expert", prices=prices, trace="hierarchical")]


def test_the_template_is_a_part_of_the_request_and_flat_requests_stay_as_they_were() -> None:
    questions = practice.make("legal", 1, 1, 0.0)
    [flat, deep] = [jobs_of(t, providers.get("expert", "p")(t, questions), questions)[0] for t in teachers()]
    assert "template" not in json.loads(flat.identity)
    assert json.loads(deep.identity)["template"] == "hierarchical/yes_no/1"
    assert flat.request.messages == prompts.teacher(questions[0], 80)
    assert deep.hash != flat.hash


def test_a_setting_at_its_default_leaves_the_identity_of_older_runs() -> None:
    flat, deep = (teacher.identity() for teacher in teachers())
    assert "trace" not in flat
    assert deep == {**flat, "trace": "hierarchical"}


@pytest.mark.parametrize("structured", [False, True])
def test_traces_are_bought_counted_and_kept(tmp_path: Path, structured: bool) -> None:
    place = Place(tmp_path, practice.make("medical", 6, 1, 0.5))
    with serve_expert("expert", []) as server:
        teacher = http_teacher(server, trace="hierarchical", structured=structured)
        figures = place.teach(teacher, Budget(queries=6))
    rows = artifacts.rationales(tmp_path / "teach")
    assert [row.strategy for row in rows] == [parse(row.text).strategy for row in rows]  # type: ignore[union-attr]
    assert figures["traces"] == {"kept": 6}


def test_rationales_written_before_there_were_strategies_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_rows(
        tmp_path / "r.parquet",
        Rationale,
        [Rationale("q", 0, "expert", "t", "yes", True, "", strategy="s", note="mended")],
    )
    old = pq.read_table(tmp_path / "r.parquet").drop_columns(["strategy", "note"])
    pq.write_table(old, tmp_path / "r.parquet")
    assert read_rows(tmp_path / "r.parquet", Rationale) == [Rationale("q", 0, "expert", "t", "yes", True, "")]
