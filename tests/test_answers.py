"""Answer forms: what is read out of a text, how it is spelled, and what agrees with gold."""

from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill.answers import answer_forms, as_one, is_correct, read_answer
from bridge_distill.answers.number import limits
from bridge_distill.errors import UserError
from bridge_distill.records import Question

# Mathematics is compared by an optional library.
FORMS = [form for form in answer_forms.names() if form != "math" or find_spec("math_verify") is not None]
CHOICES = ["band", "music room", "college", "a house", "B"]


def ask(form: str, gold: str | None = None, choices: list[str] | None = None, **bounds: float) -> Question:
    return Question("q", "How long is it?", form, choices=choices, answer=gold, **bounds)


def canonical(form: str, text: str, choices: list[str] | None = None) -> str | None:
    return answer_forms.get(form, "data.answer").canonical(text, choices)


def test_the_family_has_the_documented_members():
    assert answer_forms.names() == ["choice", "date", "math", "number", "text", "yes_no"]
    with pytest.raises(UserError, match=r"data\.answer: unknown answer form 'nubmer'; did you mean 'number'"):
        answer_forms.get("nubmer", "data.answer")


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text(max_size=60) | st.text("0123456789.,-+()$%/ eE^xX=day weeks ABCyno", max_size=24))
@settings(max_examples=150, deadline=None)
def test_a_canonical_answer_is_stable_and_never_raises(form, text):
    for choices in (None, CHOICES, ["Yes", "No"]):
        spelled = canonical(form, text, choices)
        if spelled is not None:
            assert canonical(form, spelled, choices) == spelled
            assert "\n" not in spelled
            assert is_correct(spelled, ask(form, spelled, choices))
            if any(char.isalnum() for char in spelled):
                read = read_answer(f"Steps.\nAnswer: {spelled}", ask(form, spelled, choices))
                assert is_correct(read, ask(form, spelled, choices))


@pytest.mark.parametrize("form", FORMS)
@given(text=st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_reading_any_text_never_raises(form, text):
    read = read_answer(text + "\nanswer: " + text, ask(form, choices=CHOICES))
    assert read is None or isinstance(read, str)


@pytest.mark.parametrize("form", FORMS)
def test_an_instruction_is_no_answer_of_its_own(form):
    question = ask(form, choices=CHOICES if form == "choice" else None)
    words = answer_forms.get(form, "data.answer").instruction(question)
    assert words
    assert form in ("text", "math") or canonical(form, words, question.choices) is None


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("**Answer:** yes.", "yes"),
        ("Answer: no\nThen again.\nANSWER : Yes", "yes"),
        ("<b>Answer:</b> no", "no"),
        ("**Answer**: **No**", "no"),
        ("### Answer: `yes`", "yes"),
        ("Final answer: yes\r\n", "yes"),
        ("Answer:\nyes", "yes"),
        ("Answer: \\boxed{No}", "no"),
        ("*Answer:* `no`", "no"),
        ("`Answer: no`", "no"),
        ("The answer is yes", None),
        ("Answer: yes\nAnswer: perhaps", None),
        ("Answer: yes or no", None),
        ("", None),
    ],
)
def test_the_last_answer_line_counts(reply, answer):
    assert read_answer(reply, ask("yes_no")) == answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        *[(text, "B") for text in ("B", "(B)", "b", "B.", "[B]", "B) music room", "Music room.", "option B")],
        ("(B) college", None),
        ("B college", None),
        ("B music room", "B"),
        ("B: as said above", "B"),
        ("A house", "D"),
        ("F", None),
        ("nowhere", None),
        ("(A) band", "A"),
        ("(C) college, not a house", "C"),
        ("(C) college, because (B) is wrong", "C"),
        ("(B) is the correct answer", "B"),
        ("C: because the U.S. has colleges (vitamin B)", "C"),
        ("house!", "D"),
        ("A) college", None),
        ("A. house", None),
        ("(A) college, because they have pianos", None),
        ("(A) and (B)", None),
        ("(a) or (b)", None),
        ("A) or B)", None),
        ("(A) band or (B) music room", None),
        ("A. band B. music room", None),
        ("(A) band and not B", None),
        ("A. Wait. Answer: B", None),
        ("(A) is wrong", None),
        ("(A) not", None),
        ("(A) band is wrong", None),
        ("(B) music room - Incorrect", None),
        ("(B) music room - It is small, so it is not the correct answer.", None),
    ],
)
def test_choice(text, letter):
    assert canonical("choice", text, CHOICES) == letter


@pytest.mark.parametrize(
    ("text", "choices", "letter"),
    [
        ("A. Lincoln", ["x", "A. Lincoln"], "B"),
        ("E. Coli!", ["E coli", "E. coli"], "B"),
        ("the ground", ["the ground", "ground"], "A"),
        ("(B) Not guilty, because she was away", ["Guilty", "Not guilty"], "B"),
    ],
)
def test_a_choice_as_it_is_written_goes_before_every_other_reading(text, choices, letter):
    assert canonical("choice", text, choices) == letter


@given(
    letter=st.sampled_from("ABCDE"),
    other=st.sampled_from("ABCDE"),
    form=st.sampled_from(["({})", "{})", "[{}]", "({}):"]),
    joint=st.sampled_from([" and ", " or ", " ", ", ", ", or ", ". Answer: ", " is wrong, so ", " - not "]),
)
def test_two_marked_letters_are_no_answer_and_one_is(letter, other, form, joint):
    one, two = form.format(letter), form.format(other)
    assert canonical("choice", one, CHOICES) == letter
    assert canonical("choice", f"{one} {CHOICES['ABCDE'.index(letter)]}", CHOICES) == letter
    if letter != other:
        assert canonical("choice", f"{one}{joint}{two}", CHOICES) is None


def test_choice_without_listed_choices_takes_letters_only():
    assert canonical("choice", "(C)") == "C"
    assert canonical("choice", "music room") is None


@pytest.mark.parametrize(
    ("text", "choices", "answer"),
    [
        ("Yes", None, "yes"),
        ("FALSE.", None, "no"),
        ("B", ["Yes", "No"], "no"),
        ("A", ["No", "Yes"], "no"),
        ("(B) No", ["Yes", "No"], "no"),
        ("no, since it is late", None, "no"),
        ("yes and no", None, None),
        ("B", None, None),
        ("C", ["Yes", "No"], None),
        ("A", ["red", "blue"], None),
        *[(text, None, "yes") for text in ("'Yes'", "_Yes_", "(yes)", "Yes!", "yes - it is", "Yes—it is", "Yes it is")],
        ("Yes, because it is not below the limit", None, "yes"),
        ("Yes (the sum is not in dispute)", None, "yes"),
        ("No, it does not", None, "no"),
        ("No, not really", None, "no"),
        ("No because the sum is too small", None, "no"),
        ("No. 28,000 is not greater than 75,000.", None, "no"),
        ("(B) No, because it is late", ["Yes", "No"], "no"),
        ("(A) No, because it is late", ["Yes", "No"], None),
        ("A) Yes is wrong", ["Yes", "No"], None),
        *[(text, None, None) for text in ("No doubt, it applies", "No information is given", "No idea", "No-one")],
        *[(text, None, None) for text in ("No. 1", "Yes?", "yes? not at all", "Yes, not really", "Yes or maybe")],
        *[(text, None, None) for text in ("Yes, or maybe", "Yes is wrong", "'Yes' is wrong", "Yes... wait", "Yes/no")],
    ],
)
def test_yes_no(text, choices, answer):
    assert canonical("yes_no", text, choices) == answer


@given(
    word=st.sampled_from(["yes", "no", "True", "FALSE"]),
    around=st.sampled_from(["{}", "({})", "'{}'", "{}.", "_{}_", "{}!"]),
    rest=st.sampled_from(["", ", since it is so", " because of that", ": it is", "; there is", " (it is)", " - it is"]),
)
def test_a_word_with_its_reason_is_that_word(word, around, rest):
    assert canonical("yes_no", around.format(word) + rest) == canonical("yes_no", word) is not None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("(12.6)", "-12.6"),
        ("($12.6) million", "-12.6 million"),
        ("-12.6 million", "-12.6 million"),
        ("1,234,567.50", "1234567.5"),
        ("3/4", "0.75"),
        ("1 1/2", "1.5"),
        ("½", "0.5"),
        ("12 %", "12 percent"),
        ("6.67 per cent", "6.67 percent"),
        ("−5", "-5"),
        ("1.2e5", "120000"),
        ("1.2 × 10⁵", "120000"),
        ("$12.6M", "12.6 million"),
        ("12.6 m", "12.6"),
        ("5.3 mL/min/1.73 m²", "5.3"),
        ("44.1 - 56.7 = -12.6", "-12.6"),
        ("about 12 kg.", "12"),
        ("12,5", None),
        ("12/31/2017", None),
        ("April 21, 2021", None),
        ("('3 weeks', '4 days')", None),
        ("1/0", None),
        ("1e999", None),
        ("10 to 12", None),
        ("none", None),
        ("5½", "5.5"),
        ("-5½", "-5.5"),
        ("1½ hours", "1.5"),
        ("about 5 ½ cups", "5.5"),
        ("$2½ million", "2.5 million"),
        ("1.2 * 10**5", "120000"),
        ("9.8 m/s^2", "9.8"),
        ("12 [1]", "12"),
        ("16 think that horse #12 wins", "16"),
        ("2^10 = 1024", "1024"),
        ("½5", None),
        ("5①", None),
        ("101₂", None),
        ("12.6¹", None),
        ("3²", None),
        ("(3)²", None),
        ("10⁻³", None),
        ("10^(6)", None),
        ("5*105", None),
        ("5e3kg", None),
        ("y = 1125*(2/45)", None),
        ("1'000", None),
        ("1_000", None),
        ("10—12", None),
        ("7;8", None),
        ("5 or .5", None),
        ("5 or €-6", None),
        ("5 or ~6", None),
    ],
)
def test_number(text, answer):
    assert canonical("number", text) == answer


@given(
    first=st.integers(0, 9999),
    sign=st.sampled_from(["+", "*", "×", "^", "**", "~", "—", "_", "'", ";", "x", " + ", " ^ ", "² + "]),
    second=st.integers(0, 9999),
)
def test_two_numbers_that_a_sign_joins_are_not_read_as_one(first, sign, second):
    assert canonical("number", f"{first}{sign}{second}") is None


@given(
    whole=st.integers(0, 999_999),
    fraction=st.sampled_from([("½", 0.5), ("¼", 0.25), ("¾", 0.75), ("⅛", 0.125)]),
    sign=st.sampled_from(["", "-"]),
)
def test_a_fraction_of_one_sign_is_added_to_the_whole_before_it(whole, fraction, sign):
    char, value = fraction
    read = canonical("number", f"{sign}{whole}{char}")
    assert read is not None
    assert abs(float(read)) == whole + value
    assert read.startswith("-") == (sign == "-")


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ("Answer: 2**3", "2**3"),
        ("Answer: 5 **(five)**", "5 (five)"),
        ("**Answer: 23**", "23"),
        ("**Answer:** **5** apples", "5 apples"),
        ("**Answer: 2**3**", "2**3"),
    ],
)
def test_double_stars_between_digits_are_a_power_and_others_bold(reply, read):
    assert read_answer(reply, ask("text")) == read


@pytest.mark.parametrize(
    ("gold", "accepted", "refused"),
    [
        (
            "-12.6 million",
            ["-12.6 million", "-12.6", "-12600000", "$(12,600) thousand"],
            ["12.6", "-12.6 billion", "-13"],
        ),
        ("6.67 percent", ["6.67%", "6.67", "6.7 percent"], ["0.0667", "6.67 million", "6.8"]),
        ("0.87", ["87%", "0.87", ".871"], ["87", "0.9"]),
        ("0 percent", ["0", "0.004%"], ["1"]),
        ("45 percent", ["45.2"], ["0.45"]),
    ],
)
def test_number_agrees_within_limits_in_the_scale_of_gold(gold, accepted, refused):
    low, high = limits(gold, 0.01)
    question = ask("number", gold, low=low, high=high)
    assert [text for text in accepted if not is_correct(canonical("number", text), question)] == []
    assert [text for text in refused if is_correct(canonical("number", text), question)] == []


@given(
    value=st.decimals(-(10**9), 10**9, allow_nan=False, places=3),
    tolerance=st.none() | st.floats(0, 0.5),
    scale=st.sampled_from(["", " percent", " thousand", " million"]),
)
@settings(max_examples=100, deadline=None)
def test_gold_lies_within_its_own_limits(value, tolerance, scale):
    gold = canonical("number", f"{value}{scale}")
    assert gold is not None
    low, high = limits(gold, tolerance)
    assert low <= high
    assert is_correct(gold, ask("number", gold, low=low, high=high))


@given(
    gold=st.integers(-(10**7), 10**7),
    off=st.integers(-200, 200),
    scale=st.sampled_from(["", " percent", " thousand", " million"]),
)
def test_a_whole_number_without_a_tolerance_agrees_with_itself_alone(gold, off, scale):
    low, high = limits(f"{gold}{scale}", None)
    answer = canonical("number", f"{gold + off:,}{scale}")
    assert is_correct(answer, ask("number", f"{gold}{scale}", low=low, high=high)) == (off == 0)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2021-04-21", "2021-04-21"),
        ("04/21/2021", "2021-04-21"),
        ("21/04/2021", "2021-04-21"),
        ("4-1-2021", "2021-04-01"),
        ("Wednesday, April 21st, 2021.", "2021-04-21"),
        ("21 Apr 2021", "2021-04-21"),
        ("('3 weeks', '4 days')", "3 weeks 4 days"),
        ("3 weeks and 4 days", "3 weeks 4 days"),
        ("('0 weeks', '1 days')", "1 day"),
        ("02/30/2021", None),
        ("4 days 3 weeks", None),
        ("2021", None),
        ("3 weeks 4", None),
    ],
)
def test_date(text, answer):
    assert canonical("date", text) == answer


def test_lengths_of_time_agree_by_length():
    assert is_correct(canonical("date", "25 days"), ask("date", "3 weeks 4 days"))
    assert not is_correct(canonical("date", "24 days"), ask("date", "3 weeks 4 days"))
    assert not is_correct(canonical("date", "2021-04-22"), ask("date", "2021-04-21"))


@pytest.mark.parametrize(
    ("gold", "text", "same"),
    [
        ("Yajc", "yajc.", True),
        ("The Hague", "hague", True),
        ("rock-and-roll", "Rock and Roll!", True),
        ("ＡＢＣ", "abc", True),
        ("C++", "C", False),
        ("का", "कि", False),
    ],
)
def test_text(gold, text, same):
    assert is_correct(canonical("text", text), ask("text", canonical("text", gold))) is same


def test_nothing_is_correct_without_an_answer_or_without_gold():
    assert not is_correct(None, ask("text", "x"))
    assert not is_correct("x", ask("text"))


def test_answers_that_mean_the_same_are_counted_as_one_whatever_gold_says():
    assert as_one(["Paris", "the Paris", "Rome", None, "Paris"], ask("text")) == [
        "Paris",
        "Paris",
        "Rome",
        None,
        "Paris",
    ]
    assert len(set(as_one(["7 days", "1 week"], ask("date")))) == 1
    assert as_one(["3", "9"], ask("number", "6", low=1, high=10)) == ["3", "9"]


@given(st.lists(st.none() | st.sampled_from(["1", "2", "1.001", "1.2 thousand", "1200"]), max_size=6), st.randoms())
def test_the_order_of_answers_decides_nothing(answers, random):
    mixed = random.sample(answers, len(answers))
    assert sorted(map(str, as_one(answers, ask("number")))) == sorted(map(str, as_one(mixed, ask("number"))))
