"""The answer form ``math``: what agrees by value, and that no text can hang or harm the process that asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from bridge_distill.answers import answer_forms, as_one, is_correct, read_answer
from bridge_distill.errors import UserError
from bridge_distill.records import Question

INSTALLED = pytest.mark.skipif(find_spec("math_verify") is None, reason="math-verify is not installed")


def question(gold: str | None = None) -> Question:
    return Question("q", "How much is it?", "math", answer=gold)


def agrees(answer: str, gold: str) -> bool:
    return is_correct(read_answer(f"So it goes.\nAnswer: {answer}", question(gold)), question(gold))


@INSTALLED
@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{1}{2}", "0.5"),
        ("$1/2$.", r"\frac12"),
        (r"\boxed{\frac{3}{4}}", "0.75"),
        (r"x^2 + 2x + 1", "(x+1)^2"),
        (r"\{2, 1\}", r"\{1,2\}"),
        ("x = 3", "3"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        ("12,345", "12345"),
    ],
)
def test_answers_of_the_same_value_agree(answer: str, gold: str) -> None:
    assert agrees(answer, gold)


@INSTALLED
@pytest.mark.parametrize(
    ("answer", "gold"), [("0.51", "0.5"), ("(2,1)", "(1,2)"), ("x^2", "x"), (r"\frac{3}{4}", r"\frac{4}{3}")]
)
def test_answers_of_another_value_do_not(answer: str, gold: str) -> None:
    assert not agrees(answer, gold)


@INSTALLED
def test_what_holds_no_mathematics_is_no_answer() -> None:
    form = answer_forms.get("math", "data.answer")
    assert form.canonical("", None) is None
    assert form.canonical("?!", None) is None
    assert form.canonical("1" * 1000, None) is None


@INSTALLED
def test_what_would_take_for_ever_is_ended_and_the_next_is_answered() -> None:
    assert not agrees("9^{9^{9^{9}}} + 1", "9^{9^{9^{9}}} + 2")
    assert agrees("1/4", "0.25")


@INSTALLED
def test_any_thread_may_ask() -> None:
    assert threading.current_thread() is threading.main_thread()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda i: (agrees(f"{i}/7", rf"\frac{{{i}}}{{7}}"), agrees(f"{i}/7", "8")), range(8)))
    assert found == [(True, False)] * 8


@INSTALLED
def test_votes_of_the_same_value_count_as_one_answer() -> None:
    assert as_one(["1/2", "0.5", r"\frac{1}{2}", "2", "0.5", None], question()) == ["0.5"] * 3 + ["2", "0.5", None]


@INSTALLED
def test_a_text_is_never_run_as_a_program(tmp_path_factory: pytest.TempPathFactory) -> None:
    mark = tmp_path_factory.mktemp("mark") / "run"
    agrees(f"__import__('pathlib').Path('{mark}').touch()", "1")
    assert not mark.exists()


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_distill.answers.mathematics.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"data\.answer: math needs math-verify.*pip install 'bridge-distill\[math\]'"):
        answer_forms.get("math", "data.answer").canonical("an answer that nobody has asked for", None)
