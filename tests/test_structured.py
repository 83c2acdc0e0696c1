"""Structured replies: what is asked for, how tolerantly it is read, and how replies are judged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import prompts
from bridge_distill.answers import read_answer
from bridge_distill.records import Question, Reply
from bridge_distill.teacher import structure
from bridge_distill.teacher.judging import delivered_twice, judge, judge_all

CHOICE = Question("q1", "Which?", "choice", ["one", "two", "three"], "B")
YES_NO = Question("q2", "Is 1 odd?", "yes_no", answer="yes")
NUMBER = Question("q3", "How many?", "number", answer="12.5")
PLAIN = "It is the second.\nAnswer: B"
OBJECT = '{"explanation": "It is the second.", "answer": "B"}'


def reply(text: str, question: Question = CHOICE, request: str = "h1", name: str = "", finish: str = "stop") -> Reply:
    return Reply(question.id, 0, request, "openai", "m", text, finish, 1, 1, 0, False, served_model="", reply_id=name)


def test_a_closed_set_of_answers_is_a_part_of_the_schema() -> None:
    for question, options in ((CHOICE, ["A", "B", "C"]), (YES_NO, ["yes", "no"])):
        schema = structure.schema_of(question)
        assert schema["properties"]["answer"] == {"type": "string", "enum": options}
        assert (schema["required"], schema["additionalProperties"]) == (["explanation", "answer"], False)
    assert structure.schema_of(NUMBER)["properties"]["answer"] == {"type": "string"}


def test_the_teacher_is_asked_for_the_object_only_where_it_is_wanted() -> None:
    plain, structured = prompts.teacher(CHOICE, 80), prompts.teacher(CHOICE, 80, True)
    assert plain[0]["content"].endswith("Then end with one last line: 'Answer: one letter from A to C'.")
    assert "Reply with one JSON object" in structured[0]["content"]
    assert "Answer:" not in structured[0]["content"]
    assert plain[1] == structured[1]


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"```json\n{OBJECT}\n```",
        f"Here you are:\n{OBJECT}\nI hope it helps {{or not}}.",
        '{"draft": {"x": 1}} ' + OBJECT,
        '{"explanation": "No.", "answer": "A"}\nNo, better:\n' + OBJECT,
        '{"answer": "B", "explanation": "It is the second.", "confidence": 0.9}',
        '{"explanation": "It is the second.\nAnswer: B", "answer": "B"}',
        PLAIN,
    ],
)
def test_an_object_is_read_wherever_it_stands(text: str) -> None:
    assert structure.read(text) == PLAIN
    kept = judge(reply(text), CHOICE, 80)
    assert (kept.text, kept.answer, kept.kept, kept.reason) == (PLAIN, "B", True, "")


@pytest.mark.parametrize(
    ("question", "bare", "answer"), [(NUMBER, "12.5", "12.5"), (YES_NO, "true", "yes"), (YES_NO, '"Yes.\\n"', "yes")]
)
def test_an_answer_may_be_a_bare_value(question: Question, bare: str, answer: str) -> None:
    kept = judge(reply(f'{{"explanation": "Count them.", "answer": {bare}}}', question), question, 80)
    assert (kept.answer, kept.kept) == (answer, True)


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ('{"explanation": "It is the sec', "length", "cut off"),
        ('{"explanation": "It is the sec', "stop", "no answer line"),
        ('{"explanation": "", "answer": "B"}', "stop", "no explanation"),
        ('{"explanation": "It is.", "answer": "Z"}', "stop", "wrong answer form"),
        ('{"explanation": "It is.", "answer": "A"}', "stop", "disagrees with gold"),
        ('{"explanation": null, "answer": "B"}', "stop", "no answer line"),
        ("I cannot help with that.", "refusal", "refused"),
        ("", "content_filter", "refused"),
    ],
)
def test_a_flawed_object_has_the_reason_of_a_flawed_text(text: str, finish: str, reason: str) -> None:
    assert judge(reply(text, finish=finish), CHOICE, 80).reason == reason


def test_an_answer_line_beside_an_object_is_the_answer() -> None:
    text = 'As in {"explanation": "x", "answer": "A"} it is the second.\nAnswer: B'
    assert structure.read(text) == text


@given(st.text(), st.sampled_from("ABC"), st.text(alphabet='{}[]":, `a\n\\', max_size=30))
def test_whatever_is_explained_the_answer_is_read(explanation: str, letter: str, around: str) -> None:
    text = around.replace("{", "") + json.dumps({"explanation": explanation, "answer": letter}) + around
    if '"explanation"' not in around:
        assert read_answer(structure.read(text), CHOICE) == letter


@given(st.text(alphabet='{}[]":,explanationsw \n\\'))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    assert structure.read(text) == text or "Answer:" in structure.read(text)


def test_many_open_braces_are_no_burden() -> None:
    assert structure.read("{" * 10**6) == "{" * 10**6
    assert structure.read('{"a":' * 10**5) == '{"a":' * 10**5


def test_a_reply_delivered_to_a_second_question_is_rejected() -> None:
    rows = [
        reply(PLAIN, CHOICE, "h1", "id-1"),
        reply(PLAIN, YES_NO, "h2", "id-1"),
        reply(PLAIN, NUMBER, "h1", "id-1"),
        reply(PLAIN, NUMBER, "h3", "id-2"),
        reply(PLAIN + " ", NUMBER, "h4", "id-1"),
        reply(PLAIN, NUMBER, "h5"),
        reply(PLAIN, CHOICE, "h6"),
    ]
    assert delivered_twice(rows) == {"h2"}
    judged = judge_all(rows, {q.id: q for q in (CHOICE, YES_NO, NUMBER)}, 80)
    assert [row.reason for row in judged][:2] == ["", "delivered twice"]
    assert not judged[1].kept
