"""Rationales made worse on purpose: as many as asked, each in its one way, and the same ones for every way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill import practice
from bridge_distill.traces import sentences
from degradations import KINDS, Worked, degrade, degraded
from degraded import worked

NUMBER = re.compile(r"\d[\d,.]*\d|\d")
SHARES = st.floats(0, 1)
SEEDS = st.integers(0, 10**6)
TEXTS = st.lists(
    st.sampled_from(["It is 7.", "So 1,200 is more.", "Ohio differs from Iowa.", "A 0.05 b.", "No."]), min_size=1
)


@st.composite
def pools(draw: st.DrawFn) -> list[Worked]:
    answers = ["yes", "no", *draw(st.lists(st.sampled_from(["yes", "no", "7", "8 million"]), max_size=8))]
    texts = [" ".join(draw(TEXTS)) for _ in answers]
    return [
        Worked(text, answer, (f"{text} Slipped.", f"not {answer}")) for text, answer in zip(texts, answers, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
@given(pool=pools(), share=SHARES, seed=SEEDS)
def test_a_share_is_degraded_and_the_rest_is_as_it_was(kind: str, pool: list[Worked], share: float, seed: int) -> None:
    places = degraded(len(pool), share, seed)
    found = degrade(kind, pool, share, seed)
    assert len(set(places)) == round(share * len(pool))
    assert [found[at] for at in range(len(pool)) if at not in places] == [
        pool[at] for at in range(len(pool)) if at not in places
    ]
    assert found == degrade(kind, pool, share, seed)


@pytest.mark.parametrize("kind", KINDS)
@given(pool=pools(), shares=st.tuples(SHARES, SHARES), seed=SEEDS)
def test_a_larger_share_holds_a_smaller_one(
    kind: str, pool: list[Worked], shares: tuple[float, float], seed: int
) -> None:
    less, more = (degrade(kind, pool, share, seed) for share in sorted(shares))
    assert all(more[at] == less[at] for at in degraded(len(pool), min(shares), seed))


@given(pool=pools(), seed=SEEDS)
def test_a_wrong_answer_is_another_one_of_the_pool_after_the_same_explanation(pool: list[Worked], seed: int) -> None:
    for before, after in zip(pool, degrade("wrong answer", pool, 1, seed), strict=True):
        assert after.explanation == before.explanation
        assert after.answer != before.answer
        assert after.answer in {one.answer for one in pool}


@given(pool=pools(), seed=SEEDS)
def test_noise_changes_every_number_and_no_word(pool: list[Worked], seed: int) -> None:
    for before, after in zip(pool, degrade("number noise", pool, 1, seed), strict=True):
        assert after.answer == before.answer
        assert re.sub(r"\d", "#", after.explanation) == re.sub(r"\d", "#", before.explanation)
        pairs = zip(NUMBER.findall(before.explanation), NUMBER.findall(after.explanation), strict=True)
        assert all(one != other for one, other in pairs)


@given(pool=pools(), seed=SEEDS)
def test_shuffled_steps_are_the_same_sentences_in_another_order(pool: list[Worked], seed: int) -> None:
    for before, after in zip(pool, degrade("shuffled steps", pool, 1, seed), strict=True):
        steps = sentences(before.explanation)
        assert sorted(sentences(after.explanation)) == sorted(steps)
        assert (sentences(after.explanation) != steps) == (len(set(steps)) > 1)
        assert after.answer == before.answer


@given(seed=SEEDS)
def test_another_question_lends_its_whole_rationale(seed: int) -> None:
    pool = [Worked(f"Text {number}.", str(number), ("", "")) for number in range(5)]
    found = degrade("another question", pool, 1, seed)
    assert all(after in pool and after != before for before, after in zip(pool, found, strict=True))


def test_a_propagated_error_is_the_experts_slip_down_to_a_wrong_answer() -> None:
    questions = practice.make("legal", 40, 3, 0.0)
    pool = [worked(question) for question in questions]
    found = degrade("propagated error", pool, 1, 0)
    assert [one.answer for one in pool] == [question.answer for question in questions]
    assert all(after.answer != before.answer for before, after in zip(pool, found, strict=True))
    assert all(after.explanation != before.explanation for before, after in zip(pool, found, strict=True))


def test_a_wrong_answer_needs_another_one_in_the_pool() -> None:
    with pytest.raises(ValueError, match="the same answer"):
        degrade("wrong answer", [Worked("A.", "yes", ("B.", "no"))] * 3, 1, 0)
