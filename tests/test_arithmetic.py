"""Steps that compute: what holds is never refused, what does not is, and no text can hurt."""

from __future__ import annotations

from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bridge_distill.arithmetic import failed_step
from bridge_distill.arithmetic.expression import REACH, UnclearError, plain_signs, tokens_of, value_of


def evaluate(text: str) -> Fraction:
    """The value of a text that is an expression and nothing else."""
    return value_of(tokens_of(plain_signs(text)))


def wrong(text: str) -> str | None:
    """The first equation that does not hold, as it was read."""
    found = failed_step(text)
    return None if found is None else found.equation


CENTS = st.integers(0, 10**7)
SPACES = st.sampled_from(["", " "])


def _number(cents: int, dollars: bool, grouped: bool) -> tuple[str, Fraction]:
    value = Decimal(cents) / 100
    return ("$" if dollars else "") + (f"{value:,}" if grouped else str(value)), Fraction(value)


NUMBERS = st.builds(_number, CENTS, st.booleans(), st.booleans())


def _joined(left: tuple[str, Fraction], sign: str, right: tuple[str, Fraction], gap: str) -> tuple[str, Fraction]:
    if sign in "/÷":
        assume(right[1] != 0)
    found = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "×": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "÷": lambda a, b: a / b,
    }[sign](left[1], right[1])
    return f"({left[0]}{gap}{sign}{gap}{right[0]})", found


EXPRESSIONS = st.recursive(
    NUMBERS, lambda inner: st.builds(_joined, inner, st.sampled_from("+-*/×÷"), inner, SPACES), max_leaves=8
).filter(lambda made: len(made[0]) <= REACH and made[0].startswith("("))


@given(EXPRESSIONS)
def test_an_expression_has_the_value_of_exact_fractions(made: tuple[str, Fraction]) -> None:
    assert evaluate(made[0]) == made[1]
    assert evaluate(made[0][1:-1]) == made[1]


@given(EXPRESSIONS, st.integers(0, 4), st.sampled_from(["So {} = {}.", "- {} = {} dollars", "{}={}", "({} = {})"]))
def test_a_result_rounded_as_written_holds_and_one_unit_off_does_not(
    made: tuple[str, Fraction], decimals: int, text: str
) -> None:
    unit = Decimal(1).scaleb(-decimals)
    exact = Decimal(made[1].numerator) / Decimal(made[1].denominator)
    assume(abs(exact) < 10**15)
    right = exact.quantize(unit, ROUND_HALF_UP)
    assert wrong(text.format(made[0], right)) is None
    assert wrong(text.format(made[0], right + 2 * unit)) is not None


@given(st.text(alphabet="0123456789+-*/()=.,%$x −×\n", max_size=400))
@example("(" * 400 + "=1")
@example("1/0=1")
@example("=")
def test_no_text_of_signs_and_digits_raises(text: str) -> None:
    assert wrong(text) is None or "=" in text


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    with suppress(UnclearError, ZeroDivisionError):
        evaluate(text)
        assert any(sign.isdigit() for sign in text)
    assert wrong(text) is None or "=" in text


@pytest.mark.parametrize("piece", ["(", "1+", "=", "1", " ", "-", "1.1.", "1=", "5 x ", "$1,"])
def test_a_hostile_line_does_not_keep_the_next_from_being_judged(piece: str) -> None:
    assert wrong(piece * 50_000 + "\nso 1 + 1 = 3") == "so 1 + 1 = 3"


@pytest.mark.parametrize(
    "text",
    [
        "- 3 + 4 = 7",
        "1. 3 + 4 = 7.",
        "Step 2: 12 - 5 = 7 apples",
        "so 7 + 5 = 12 - 3 = 9",
        "15 / 60 = 25%",
        "15 / 60 * 100 = 25%",
        "20% of 50 + 5 = 15",
        "3 x 4 = **12**",
        "5 − 8 = −3",
    ],
)
def test_what_is_computed_right_in_the_usual_spellings_holds(text: str) -> None:
    assert wrong(text) is None
    assert wrong(text.rstrip("*%. aples") + "1") is not None


@pytest.mark.parametrize(
    "text",
    [
        "2^3 + 1 = 9",
        "f(3 + 4) = 12",
        "sqrt(16) + 2 = 6",
        "7 / 2 = 3 1/2",
        "17 / 3 = 5 remainder 2",
        "19 / 5 = 3, remainder 4",
        "4 + 2**3 = 12",
        ".5 + 2 = 2.5",
        "2/3 = 0.666...",
        "5 - 8 = (3)",
        "3 + (13) + 26 = 16",
        "(1,200) + 300 = -900",
        "12.6% - 10.2% = 2.4 percentage points",
        "95% - 90% = 5",
        "2 * 4 = 2^3",
        "half of 3 + 5 = 4",
        "x - 3 + 4 = 9",
        "2 x = 10",
        "$50 + 10% = $55",
        "3 * 500,000 = 1.5 million",
        "In 2020 = 3 + 4",
        "2 apples + 3 = 5",
        "1,5 + 2 = 3,5",
        "3 + 4 <= 9",
        "3 + 4 ≈ 8",
    ],
)
def test_what_is_not_surely_an_equation_of_numbers_is_left_unjudged(text: str) -> None:
    assert wrong(text) is None


def test_the_first_equation_that_fails_is_named() -> None:
    assert wrong("1 + 1 = 2\nThen 2 * 3 = 5, and 5 / 0 = 1") == "Then 2 * 3 = 5, and 5 / 0"
    assert wrong("5 / 0 = 1") == "5 / 0 = 1"


@given(
    EXPRESSIONS,
    CENTS,
    st.sampled_from(["{}", "${}", "{}%", "{}.0 apples", "{:,}"]),
    st.sampled_from(["", "**", "1. so "]),
)
def test_the_right_result_in_place_of_a_wrong_one_holds(
    made: tuple[str, Fraction], result: int, spelling: str, before: str
) -> None:
    text = f"x = y\n{before}{made[0]} = {spelling.format(result)}"
    found = failed_step(text)
    assume(found is not None and found.right is not None)
    assert found is not None
    mended = f"{text[: found.sign + 1]} {found.right}"
    assert text[found.sign] == "="
    assert mended.startswith(text[: found.sign])
    assert failed_step(mended) is None


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("3 × 12 = 38 apples", "36"),
        ("So $5 - $7.50 = $2.50", "-$2.50"),
        ("15 / 60 = 20%", "25%"),
        ("15 / 60 * 100 = 24%", "25%"),
        ("1 / 8 = 1", "0.125"),
        ("1 / 3 = 3", "0.33"),
        ("1 / 3 = 0.3334", "0.3333"),
        ("**2 + 2** = **5**", "4"),
        ("5 / 0 = 1", None),
    ],
)
def test_the_right_result_is_spelt_as_the_wrong_one_is(text: str, right: str | None) -> None:
    found = failed_step(text)
    assert found is not None
    assert found.right == right
