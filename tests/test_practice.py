"""Practice tasks: every question is solved by its own expert, from its text alone."""

import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill import practice, prompts
from bridge_distill.answers import answer_forms, is_correct, read_answer
from bridge_distill.errors import UserError
from bridge_distill.practice.legal import read_case

TASKS = practice.practice_tasks.names()
difficulties = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])


def test_the_family_has_the_documented_members():
    assert TASKS == ["dates", "financial", "legal", "medical", "tracking"]


@pytest.mark.parametrize("task", TASKS)
@given(seed=st.integers(0, 10**6), difficulty=difficulties, phrasing=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_the_expert_is_right_unless_asked_to_err(task, seed, difficulty, phrasing):
    for question in practice.make(task, 8, seed, difficulty):
        right = practice.explain(question, phrasing=phrasing, error=False)
        wrong = practice.explain(question, phrasing=phrasing, error=True)
        assert is_correct(read_answer(right, question), question), (question, right)
        assert read_answer(wrong, question) is not None
        assert not is_correct(read_answer(wrong, question), question), (question, wrong)
        assert right.splitlines()[-1].startswith("Answer: ")


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_is_found_by_the_text_of_a_chat_message(task):
    for question in practice.make(task, 12, 3, 0.7):
        message = prompts.teacher(question, 80)[-1]["content"]
        assert practice.solve(message, 1, False) == practice.explain(question, phrasing=1, error=False)


@pytest.mark.parametrize("text", ["", "What is the capital of France?", "$ million | 2019", "diversity jurisdiction?"])
def test_other_text_is_of_no_task(text):
    assert practice.solve(text, 0, False) is None


@given(st.text(max_size=80))
@settings(max_examples=50, deadline=None)
def test_any_text_is_solved_or_not_without_an_error(text):
    assert practice.solve(text, 0, False) is None


def test_explaining_a_question_of_no_task_is_an_error():
    question = practice.make("legal", 1, 0, 0.0)[0]
    with pytest.raises(UserError, match="of no practice task"):
        practice.explain(type(question)("x", "Why?", "text"), phrasing=0, error=False)


@pytest.mark.parametrize("task", TASKS)
def test_phrasings_differ_and_repeat(task):
    question = practice.make(task, 1, 0, 0.5)[0]
    told = [practice.explain(question, phrasing=phrasing, error=False) for phrasing in range(20)]
    period = len(set(told))
    assert period >= 3
    assert told[period:] == told[:-period]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("difficulty", [0.0, 0.4, 1.0])
def test_questions_follow_from_the_seed_and_never_repeat(task, difficulty):
    questions = practice.make(task, 120, 5, difficulty)
    assert questions[:40] == practice.make(task, 40, 5, difficulty)
    assert len({question.text for question in questions}) == len({question.id for question in questions}) == 120
    assert questions != practice.make(task, 120, 6, difficulty)
    for question in questions:
        form = answer_forms.get(question.form, "data.answer")
        assert form.canonical(question.answer or "", None) == question.answer
        assert (question.domain, question.recorded_rationale) == (task, None)


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_legal_answers_are_balanced_for_both_reasons(difficulty):
    questions = practice.make("legal", 200, 2, difficulty)
    assert Counter(question.answer for question in questions) == {"yes": 100, "no": 100}
    cases = [read_case(question.text) for question in questions]
    assert sum(case is not None and case.shared() is not None for case in cases) == 50
    assert sum(case is not None and sum(case.sums) <= 75_000 for case in cases) == 50


def test_easy_legal_questions_and_rationales_are_short():
    for question in practice.make("legal", 60, 4, 0.0):
        assert len(question.text.split()) <= 28
        assert len(practice.explain(question, phrasing=0, error=False).split()) <= 42


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "Ana Ruiz of Ohio sues Ben Katz of Iowa for fraud, asking for $90,000. Is there diversity jurisdiction?",
            "yes",
        ),
        (
            "Ana Ruiz of Ohio sues Ben Katz of Iowa for fraud, asking for $75,000. Is there diversity jurisdiction?",
            "no",
        ),
        (
            "Ana Ruiz of Ohio sues Ben Katz of Ohio for fraud, asking for $90,000. Is there diversity jurisdiction?",
            "no",
        ),
        (
            "Ana Ruiz of Virginia sues Ben Katz of West Virginia and Delta Foods, incorporated in Texas with its main "
            "office in Virginia, jointly for $90,000. Is there diversity jurisdiction?",
            "no",
        ),
    ],
)
def test_legal_rule(text, answer):
    assert practice.solve(text, 0, False).endswith(f"Answer: {answer}")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A patient weighs 70 kg and is 175 cm tall. What is the body mass index in kg/m2?", 70 / 1.75**2),
        ("Heart rate 75 beats per minute, QT 330 ms. Correct the QT by Bazett, in ms.", 330 / 0.8**0.5),
        ("Heart rate 75 beats per minute, QT 330 ms. Correct the QT by Fridericia, in ms.", 330 / 0.8 ** (1 / 3)),
        (
            "Serum creatinine 1.2 mg/dL in a woman, 60 years, 65 kg. Give the Cockcroft-Gault creatinine clearance "
            "in mL/min.",
            (140 - 60) * 65 * 0.85 / (72 * 1.2),
        ),
        ("Infuse 1000 mL over 8 hours with a set of 20 drops/mL. How many drops per minute?", 1000 * 20 / 480),
        ("Give 5 mg/kg of heparin to a patient of 63 kg; it holds 50 mg/mL. How many mL is that?", 63 * 5 / 50),
    ],
)
def test_medical_formulas(text, answer):
    told = practice.solve(text, 0, False)
    assert float(told.rsplit("Answer: ", 1)[1]) == pytest.approx(answer, rel=2e-3)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is the change in cash from 2018 to 2019, in $ million?", "-12.6"),
        ("What is the percentage change in cash from 2018 to 2019?", "-22.22 percent"),
        ("What is the ratio of revenue to cash in 2019?", "33.94104"),
        ("What is the total of cash over all years, in $ million?", "100.8"),
        ("What is the average of cash over all years, in $ million?", "50.4"),
        ("What percentage of revenue is cash in 2018?", "4.71 percent"),
    ],
)
def test_financial_questions(asked, answer):
    text = f"$ million | 2019 | 2018\nRevenue | 1,496.8 | 1,202.9\nCash | 44.1 | 56.7\n{asked}"
    assert practice.solve(text, 0, False).endswith(f"Answer: {answer}")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Today is March 25, 2021. What is the date 10 days from now?", "2021-04-04"),
        ("Today is March 3, 2020. What is the date 10 days ago?", "2020-02-22"),
        ("Yesterday was February 28, 2020. What is the date 1 day from now?", "2020-03-01"),
        ("Tomorrow is January 1, 2022. What is the date 2 weeks and 3 days from now?", "2022-01-17"),
        ("Today is January 31, 2021. What is the date 1 month from now?", "2021-02-28"),
        ("Today is March 30, 2021. What is the date 1 month and 2 days ago?", "2021-02-26"),
        ("How many days is it from December 20, 2019 to March 2, 2020?", "73 days"),
        ("How many days is it from May 4, 2020 to May 5, 2020?", "1 day"),
    ],
)
def test_reckoning_with_dates(text, answer):
    assert practice.solve(text, 0, False).endswith(f"Answer: {answer}")


@pytest.mark.parametrize("task", ["dates", "tracking"])
@given(seed=st.integers(0, 10**6), difficulty=difficulties)
@settings(max_examples=25, deadline=None)
def test_a_date_or_story_is_worked_out_the_same_by_other_means(task, seed, difficulty):
    for question in practice.make(task, 4, seed, difficulty):
        assert again(question.text) in (question.answer, None)


def again(text):
    """The answer by the calendar or by a list of pockets; None where only the expert knows the way."""
    days = re.fullmatch(r"Today is (.+)\. What is the date (\d+) days (from now|ago)\?", text)
    if days:
        start = datetime.strptime(days[1], "%B %d, %Y")
        return (start + timedelta(days=int(days[2]) * (1 if days[3] == "from now" else -1))).date().isoformat()
    between = re.fullmatch(r"How many days is it from (.+) to (.+)\?", text)
    if between:
        first, last = (datetime.strptime(part, "%B %d, %Y") for part in between.groups())
        return f"{(last - first).days} days"
    what = re.search(r"what does (\w+) have", text)
    if what is None:
        return None
    people, things = zip(*re.findall(r"(\w+) has the (\w+ \w+)", text), strict=True)
    pockets = list(things)
    for one, other in re.findall(r"(?:First|Then), (\w+) and (\w+) ", text):
        a, b = people.index(one), people.index(other)
        pockets[a], pockets[b] = pockets[b], pockets[a]
    return pockets[people.index(what[1])]


@pytest.mark.parametrize(("asked", "answer"), [("what does Cleo have?", "red ball"), ("who has the blue ball?", "Ana")])
def test_tracking_questions(asked, answer):
    held = "Ana has the red ball, Ben has the blue ball and Cleo has the green ball."
    swaps = "First, Ana and Ben swap. Then, Ben and Cleo swap."
    assert practice.solve(f"{held} {swaps} At the end, {asked}", 0, False).endswith(f"Answer: {answer}")


@pytest.mark.parametrize("task", ["dates", "tracking"])
def test_easy_questions_of_time_and_space_are_short(task):
    for question in practice.make(task, 60, 4, 0.0):
        assert len(question.text.split()) <= 40
        assert len(practice.explain(question, phrasing=0, error=False).split()) <= 60


@pytest.mark.parametrize("task", ["medical", "financial"])
@given(seed=st.integers(0, 10**6), difficulty=difficulties, phrasing=st.integers(0, 2), error=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_step_of_arithmetic_checks_out(task, seed, difficulty, phrasing, error):
    for question in practice.make(task, 3, seed, difficulty):
        told = practice.explain(question, phrasing=phrasing, error=error)
        sums = re.findall(r"((?:sqrt|cbrt)\([\d.]+\)|-?[\d.,]+(?: [-+*/] -?[\d.,]+)+) = (-?[\d,.]*\d)", told)
        assert sums
        for working, result in sums:
            claimed = Decimal(result.replace(",", ""))
            assert abs(worked(working) - claimed) <= Decimal("0.5").scaleb(claimed.as_tuple().exponent), working


def worked(working: str) -> Decimal:
    root = re.fullmatch(r"(sqrt|cbrt)\(([\d.]+)\)", working)
    if root:
        return Decimal(root[2]) ** (Decimal(1) / (2 if root[1] == "sqrt" else 3))
    first, *rest = working.replace(",", "").split(" ")
    total = Decimal(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value = Decimal(number)
        total = {"+": total + value, "-": total - value, "*": total * value, "/": total / (value or 1)}[sign]
    return total


def test_a_spec_names_task_count_seed_and_difficulty():
    made = practice.from_spec("practice:legal?n=8&seed=1&difficulty=0.5")
    assert made == practice.make("legal", 8, 1, 0.5)
    assert len(practice.from_spec("practice:medical")) == 400


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("practice:leagl", r"unknown practice task 'leagl'; did you mean 'legal'"),
        ("practice:legal?m=3", r"unknown parameter 'm' of a practice task"),
        ("practice:legal?n=0", r"n=0 asks for no question"),
        ("practice:legal?n=few", r"n=few is not a whole number"),
        ("practice:legal?seed=", r"seed= is not a whole number"),
        ("practice:legal?difficulty=2", r"difficulty=2 is not between 0 and 1"),
        ("practice:legal?difficulty=nan", r"difficulty=nan is not between 0 and 1"),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec, sentence):
    with pytest.raises(UserError, match=rf"data\.train: {sentence}"):
        practice.from_spec(spec, "data.train")
