"""What is said of several seeds and questions, against simulated truth: intervals, error rates, power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from bridge_distill.statistics import accuracy, closed, difference, holm, paired_difference, ratio
from bridge_distill.statistics.crossed import Spread

Table = NDArray[np.bool_]
QUESTIONS = 150


class World:
    """Questions of different difficulty, met by seeds of different quality: normal on the logistic scale."""

    def __init__(self, seed: int, between_seeds: float, between_questions: float = 1.5) -> None:
        self.rng = np.random.default_rng(seed)
        self.seeds, self.questions = between_seeds, between_questions

    def hardness(self, questions: int = QUESTIONS, together: int = 1) -> NDArray[np.float64]:
        """How easy each question is; runs of ``together`` questions share a context, and with it their hardness."""
        return np.repeat(self.rng.normal(0, self.questions, questions // together), together)

    def answers(self, seeds: int, easy: NDArray[np.float64], skill: float) -> Table:
        """Of shape (seeds, questions)."""
        quality = self.rng.normal(0, self.seeds, (seeds, 1))
        luck = self.rng.normal(0, 0.7, (seeds, len(easy)))
        return self.rng.random((seeds, len(easy))) < _logistic(skill + quality + easy + luck)

    def truth(self, skill: float) -> float:
        """The accuracy over all seeds and questions."""
        spread = math.sqrt(self.seeds**2 + self.questions**2 + 0.49)
        return float(_logistic(skill + self.rng.normal(0, spread, 1_000_000)).mean())


def _logistic(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-value)))


@pytest.mark.parametrize(("seeds", "between"), [(1, 0.0), (3, 0.3), (3, 0.6), (5, 0.2), (5, 0.5)])
def test_intervals_of_an_accuracy_cover_the_truth_93_to_97_times_in_100(seeds: int, between: float) -> None:
    world, worlds = World(11, between), 500
    truth = world.truth(0.6)
    found = [accuracy(world.answers(seeds, world.hardness(), 0.6)) for _ in range(worlds)]
    # Sampling error of 500 worlds is a point: 93 to 97 hold of the method, a point more of this sample.
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


def test_with_three_seeds_that_hardly_matter_intervals_are_too_wide_rather_than_too_narrow() -> None:
    world, worlds = World(12, 0.0), 400
    truth = world.truth(0.6)
    found = [accuracy(world.answers(3, world.hardness(), 0.6)) for _ in range(worlds)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.95


@pytest.mark.parametrize("seeds", [1, 4])
def test_intervals_hold_where_questions_share_a_context(seeds: int) -> None:
    world, worlds, groups = World(13, 0.3 if seeds > 1 else 0.0), 400, np.arange(QUESTIONS) // 5
    truth, covered, naive = world.truth(0.6), 0, 0
    for _ in range(worlds):
        answers = world.answers(seeds, world.hardness(together=5), 0.6)
        one, blind = accuracy(answers, groups), accuracy(answers)
        covered += one.low <= truth <= one.high
        naive += blind.low <= truth <= blind.high
    assert 0.91 <= covered / worlds <= 0.985
    assert naive < covered


@pytest.mark.parametrize(("seeds", "between"), [(3, 0.2), (5, 0.0), (5, 0.4)])
def test_identical_arms_differ_after_holm_in_at_most_5_of_100_studies(seeds: int, between: float) -> None:
    world, studies = World(14, between), 300
    wrong = 0
    for _ in range(studies):
        easy = world.hardness()
        arms = [world.answers(seeds, easy, 0.6) for _ in range(4)]
        wrong += min(holm([difference(arm, arms[0]).p or 0.0 for arm in arms[1:]])) <= 0.05
    assert wrong / studies <= 0.05


def test_intervals_of_differences_and_ratios_cover_the_truth() -> None:
    world, worlds = World(15, 0.3), 400
    better, worse = world.truth(1.4), world.truth(0.6)
    in_points = as_ratio = 0
    for _ in range(worlds):
        easy = world.hardness()
        one, other = world.answers(4, easy, 1.4), world.answers(4, easy, 0.6)
        gap, times = difference(one, other), ratio(one, other)
        assert times is not None
        in_points += gap.low <= better - worse <= gap.high
        as_ratio += times.low <= better / worse <= times.high
    assert 0.92 <= in_points / worlds <= 0.985
    assert 0.92 <= as_ratio / worlds <= 0.985


@pytest.mark.parametrize(("seeds", "between", "skill"), [(1, 0.0, 1.47), (5, 0.0, 1.03), (5, 0.3, 1.36)])
def test_a_difference_of_the_detectable_size_is_seen_about_four_times_in_five(
    seeds: int, between: float, skill: float
) -> None:
    world, worlds = World(16, between), 300
    seen, sizes = 0, []
    for _ in range(worlds):
        easy = world.hardness()
        found = difference(world.answers(seeds, easy, skill), world.answers(seeds, easy, 0.6))
        seen += found.p is not None and found.p <= 0.05
        sizes.append(found.detectable or 0.0)
    # These two differ by as much as half of the studies call detectable; the size is an estimate itself.
    assert np.median(sizes) == pytest.approx(world.truth(skill) - world.truth(0.6), rel=0.08)
    assert 0.65 <= seen / worlds <= 0.9


TABLES = st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))


def table(shape: tuple[int, int, int, float]) -> Table:
    seeds, questions, seed, share = shape
    return np.asarray(np.random.default_rng(seed).random((seeds, questions)) < share)


@settings(deadline=None)
@given(TABLES)
def test_an_accuracy_lies_in_its_interval_and_that_between_0_and_1(shape: tuple[int, int, int, float]) -> None:
    found = accuracy(table(shape))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@settings(deadline=None)
@given(TABLES, st.integers(0, 2**32 - 1))
def test_swapping_two_arms_mirrors_their_difference(shape: tuple[int, int, int, float], seed: int) -> None:
    one, other = table(shape), table((*shape[:2], seed, shape[3]))
    there, back = difference(one, other), difference(other, one)
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high, abs=1e-3)
    assert there.p == pytest.approx(back.p, abs=1e-6)
    times, turned = ratio(one, other), ratio(other, one)
    assert (times is None) == (turned is None)
    if times is not None and turned is not None:
        assert times.value == pytest.approx(1 / turned.value)


@settings(deadline=None)
@given(TABLES)
def test_the_order_of_seeds_and_of_questions_does_not_matter(shape: tuple[int, int, int, float]) -> None:
    rng, one, other = np.random.default_rng(shape[2]), table(shape), table((*shape[:2], 7, 0.5))
    rows, columns = rng.permutation(shape[0]), rng.permutation(shape[1])
    mixed = difference(one[rows][:, columns], other[rows][:, columns])
    if shape[0] > 1:
        assert mixed.low == pytest.approx(difference(one, other).low, abs=1e-3)
    assert accuracy(one[rows][:, columns]).high == pytest.approx(accuracy(one).high, abs=1e-3)


@pytest.mark.parametrize("means", [[0.1, 0.2, 0.35, 0.15], [0.1, 0.13], [0.5, 0.52, 0.51], [0.2, 0.24, 0.16, 0.2, 0.2]])
def test_seeds_that_differ_alone_give_students_t_over_seeds(means: list[float]) -> None:
    spread = Spread.of(np.repeat(np.array(means)[:, None], 2000, axis=1))
    expected = ttest_1samp(means, 0.0)
    assert spread.p(float(np.mean(means))) == pytest.approx(expected.pvalue, rel=0.01)
    interval = expected.confidence_interval()
    assert spread.half() == pytest.approx((interval.high - interval.low) / 2, rel=0.01)


def test_one_seed_without_contexts_is_told_as_a_pair_is() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.random((1, 80)) < 0.7, rng.random((1, 80)) < 0.5
    found, pair = difference(one, other), paired_difference(one[0], other[0])
    assert (100 * found.low, 100 * found.high, found.p) == pytest.approx((pair.low, pair.high, pair.p))


def test_questions_that_are_each_alone_in_their_context_are_as_without_contexts() -> None:
    answers = np.random.default_rng(3).random((4, 60)) < 0.6
    with_groups, without = accuracy(answers, np.arange(60)), accuracy(answers)
    assert (with_groups.low, with_groups.high) == pytest.approx((without.low, without.high))


def test_an_arm_is_not_told_apart_from_itself() -> None:
    answers = np.random.default_rng(4).random((3, 50)) < 0.6
    found = difference(answers, answers)
    assert (found.value, found.p, found.detectable) == (0, 1, None)
    assert found.low < 0 < found.high
    assert ratio(answers, answers) is None


def test_the_gap_closed_is_the_way_from_the_start_to_the_goal() -> None:
    rng = np.random.default_rng(5)
    start, arm = rng.random((4, 500)) < 0.3, rng.random((4, 500)) < 0.6
    found = closed(arm, start, 0.9)
    assert found is not None
    assert found.value == pytest.approx((arm.mean() - start.mean()) / (0.9 - start.mean()))
    assert found.low < 0.5 < found.high
    assert closed(arm, start, 0.2) is None
    never = np.zeros((4, 500), bool)
    assert ratio(arm, never) is None
    assert ratio(never, arm) is None


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_raises_p_values_keeps_their_order_and_never_passes_1(p: list[float]) -> None:
    found = holm(p)
    assert len(found) == len(p)
    assert all(one <= other <= min(1.0, one * len(p)) + 1e-12 for one, other in zip(p, found, strict=True))
    order = np.argsort(p, kind="stable")
    assert [found[place] for place in order] == sorted(found)


def test_holms_published_steps() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((3,), (3,)), ((2, 0), (2, 0))])
def test_answers_that_do_not_pair_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    one, other = np.zeros(shapes[0], bool), np.zeros(shapes[1], bool)
    for compare in (difference, ratio):
        with pytest.raises(ValueError, match="cannot pair"):
            compare(one, other)
