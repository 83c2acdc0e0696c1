"""Intervals and tests against their definitions, against scipy, and against simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from bridge_distill.statistics import Difference, interval, minimum_detectable, paired_difference

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


def split(pairs: list[tuple[bool, bool]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    table = np.array(pairs, dtype=bool)
    return table[:, 0], table[:, 1]


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_is_scipys_wilson_interval_and_holds_the_share(n: int, share: float) -> None:
    correct = round(share * n)
    low, high = interval(correct, n)
    expected = binomtest(correct, n).proportion_ci(method="wilson")
    assert math.isclose(low, expected.low, abs_tol=1e-9)
    assert math.isclose(high, expected.high, abs_tol=1e-9)
    assert 0 <= low <= correct / n <= high <= 1


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_an_impossible_share_is_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        interval(correct, n)


@given(PAIRS)
def test_the_difference_lies_in_its_interval_and_agrees_with_mcnemar(pairs: list[tuple[bool, bool]]) -> None:
    a, b = split(pairs)
    found = paired_difference(a, b)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    assert math.isclose(found.points, 100 * (a.mean() - b.mean()), abs_tol=1e-9)
    assert -100 <= found.low <= found.points <= found.high <= 100
    assert found.p == (binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0)
    assert (found.n, found.discordant) == (len(pairs), only_a + only_b)


@given(PAIRS)
def test_swapping_the_models_mirrors_the_difference(pairs: list[tuple[bool, bool]]) -> None:
    a, b = split(pairs)
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.points == -back.points
    assert math.isclose(there.low, -back.high, abs_tol=1e-9)
    assert math.isclose(there.high, -back.low, abs_tol=1e-9)
    assert math.isclose(there.p, back.p)
    assert there.resolved == back.resolved


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_a_model_is_not_told_apart_from_itself(correct: list[bool]) -> None:
    a = np.array(correct, dtype=bool)
    same = paired_difference(a, a)
    assert same.points == 0
    assert same.p == 1
    assert not same.resolved
    assert same.low < 0 < same.high


def test_newcombes_published_example() -> None:
    # Newcombe (1998), table II, cells 36, 12, 2, 0: method 10 gives 0.0569 to 0.3404 for 0.20.
    table = [(True, True)] * 36 + [(True, False)] * 12 + [(False, True)] * 2
    found = paired_difference(*split(table))
    assert found.points == pytest.approx(20.0)
    assert found.low == pytest.approx(5.69, abs=0.01)
    assert found.high == pytest.approx(34.04, abs=0.01)
    assert found.resolved


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_answers_that_do_not_pair_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="cannot pair"):
        paired_difference(np.zeros(shapes[0], bool), np.zeros(shapes[1], bool))


@pytest.mark.parametrize(("low", "high", "resolved"), [(1, 9, True), (-9, -1, True), (-1, 9, False), (0, 9, False)])
def test_resolved_means_that_the_interval_excludes_zero(low: float, high: float, resolved: bool) -> None:
    assert Difference((low + high) / 2, low, high, 0.5, 10, 5).resolved is resolved


def test_intervals_cover_the_truth_about_95_times_in_100() -> None:
    generator = np.random.default_rng(5)
    chances, n, worlds = np.array([0.45, 0.30, 0.10, 0.15]), 120, 800
    draws = generator.multinomial(n, chances, size=worlds)
    covered = [_covers(cells, 20.0) for cells in draws]
    assert 0.93 <= np.mean(covered) <= 0.985
    shares = generator.binomial(n, 0.78, size=worlds)
    inside = [low <= 0.78 <= high for low, high in (interval(int(correct), n) for correct in shares)]
    assert 0.93 <= np.mean(inside) <= 0.97


def _covers(cells: NDArray[np.int64], truth: float) -> bool:
    a = np.repeat([True, True, False, False], cells)
    b = np.repeat([True, False, True, False], cells)
    found = paired_difference(a, b)
    return bool(found.low <= truth <= found.high)


def test_a_difference_of_the_detectable_size_is_seen_four_times_in_five() -> None:
    n, share = 1000, 0.3
    points = minimum_detectable(n, share)
    assert points is not None
    assert points == pytest.approx(4.8, abs=0.1)
    won = (share + points / 100) / 2
    draws = np.random.default_rng(6).multinomial(n, [won, share - won, 1 - share], size=2000)
    seen = (draws[:, 0] - draws[:, 1]) ** 2 > 1.96**2 * (draws[:, 0] + draws[:, 1])
    assert np.mean(seen) == pytest.approx(0.8, abs=0.03)


@given(st.integers(1, 10_000), st.floats(0.01, 1))
def test_more_questions_detect_smaller_differences(n: int, share: float) -> None:
    few, many = minimum_detectable(n, share), minimum_detectable(4 * n, share)
    assert few is None or (many is not None and many < few <= 100 * share)


@pytest.mark.parametrize(("n", "share"), [(0, 0.5), (10, 0.0), (10, 1.1)])
def test_impossible_designs_are_refused(n: int, share: float) -> None:
    with pytest.raises(ValueError, match="no power"):
        minimum_detectable(n, share)
