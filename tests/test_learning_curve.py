"""The learning curve: it maximises what it claims to, its intervals cover, it is not sure of what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge_distill import artifacts
from bridge_distill.engine.rows import write_rows
from bridge_distill.evaluation import curve
from bridge_distill.learning_curve import firth, fit
from bridge_distill.records import Rationale, Reply, Verdict

LEARNT = np.array([10.0, 20.0, 30.0, 40.0])


def share(a: float, b: float) -> Callable[[float], float]:
    """Accuracy by n, where the log odds are ``a`` at the middle of the points and grow by ``b`` with log(n)."""
    centre = np.log(LEARNT).mean()
    return lambda n: float(1 / (1 + np.exp(-(a + b * (np.log(n) - centre)))))


def answers(accuracy: Callable[[float], float], questions: int, seed: int) -> NDArray[np.bool_]:
    """Answers (questions, points): a question's own ease decides most of them, luck the others."""
    draw = np.random.default_rng(seed)
    ease = np.where(draw.random((questions, 4)) < 0.6, draw.random((questions, 1)), draw.random((questions, 4)))
    return ease < np.array([accuracy(n) for n in LEARNT])


@pytest.mark.parametrize(("a", "b", "questions"), [(0.3, 0.5, 100), (0.3, 0, 100), (2.5, 0.8, 60), (-2.5, 0.5, 60)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(a: float, b: float, questions: int) -> None:
    accuracy, trials = share(a, b), 200
    hits = np.zeros(3)
    for seed in range(trials):
        found = fit(LEARNT, answers(accuracy, questions, seed), seed, resamples=300)
        for at, (estimate, truth) in enumerate(
            [
                (found.slope, b),
                (found.at(50), accuracy(50)),
                (found.gain(40, 50), 100 * (accuracy(50) - accuracy(40))),
            ]
        ):
            hits[at] += estimate.low <= truth <= estimate.high
    assert (hits / trials > 0.88).all(), hits / trials


def test_answers_that_get_better_predict_more_to_come() -> None:
    found = fit(LEARNT, np.arange(100)[:, None] < np.array([20, 40, 55, 65]), 0)
    assert found.slope.low > 0
    assert 0 < found.gain(40, 50).low < found.gain(40, 50).value < found.gain(40, 50).high
    assert found.at(50).value > found.at(40).value


def test_answers_that_get_worse_predict_a_loss() -> None:
    assert fit(LEARNT, np.arange(100)[:, None] < np.array([65, 55, 40, 20]), 0).gain(40, 50).high < 0


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_never_differ_leave_room_for_doubt(right: bool) -> None:
    found = fit(LEARNT, np.full((30, 4), right), 0)
    gain, later = found.gain(40, 50), found.at(50)
    assert gain.low < 0 < gain.high
    assert abs(gain.value) < 0.5
    assert 0 < later.low < later.high < 1
    assert later.value > 0.95 if right else later.value < 0.05


def test_a_curve_takes_two_different_points() -> None:
    for learnt in ([5.0], [5.0, 5.0]):
        with pytest.raises(ValueError, match="no curve through"):
            fit(np.array(learnt), np.ones((9, len(learnt)), dtype=np.bool_), 0)


@settings(deadline=None, max_examples=100)
@given(n=st.integers(1, 120), data=st.data(), points=st.integers(2, 5))
def test_coefficients_maximise_the_penalised_likelihood(n: int, data: st.DataObject, points: int) -> None:
    x = np.linspace(-1.5, 1.5, points)
    right = np.array(data.draw(st.lists(st.integers(0, n), min_size=points, max_size=points)), dtype=np.float64)

    def likelihood(coefficients: NDArray[np.float64]) -> float:
        p = 1 / (1 + np.exp(-(coefficients[0] + coefficients[1] * x)))
        weight = n * p * (1 - p)
        information = np.array([[weight.sum(), weight @ x], [weight @ x, weight @ x**2]])
        return float(right @ np.log(p) + (n - right) @ np.log(1 - p) + np.linalg.slogdet(information)[1] / 2)

    found = firth(x, right[None], n)[0]
    best = likelihood(found)
    for away in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert best >= likelihood(found + np.array(away))


def a_round(folder: Path, replies: int, correct: int, asked: int = 50, usd_micros: int = 400) -> tuple[Path, Path]:
    """A teach folder and one of verdicts; every fifth rationale was dropped."""
    folder.mkdir(parents=True)
    ids = [f"q{n}" for n in range(replies)]
    bought = [Reply(name, 0, name, "expert", "m", "", "stop", 9, 9, usd_micros, False) for name in ids]
    write_rows(folder / artifacts.REPLIES, Reply, bought)
    rows = [Rationale(name, 0, "expert", "", None, at % 5 > 0, "test") for at, name in enumerate(ids)]
    write_rows(folder / artifacts.RATIONALES, Rationale, rows)
    graded = [Verdict(f"h{n}", "assistant", "", None, n < correct, True, False, 1) for n in range(asked)]
    write_rows(folder / artifacts.VERDICTS, Verdict, graded)
    return folder, folder


def test_advice_says_what_the_data_support_and_what_it_costs(tmp_path: Path) -> None:
    rounds = [a_round(tmp_path / str(n), 10 * n, right) for n, right in ((1, 20), (2, 21), (3, 20))]
    figures = curve(rounds, None, tmp_path, 0)
    assert figures["advice"].startswith("Another 10 replies ($0.0040) are predicted to add ")
    assert figures["advice"].endswith(": not resolved.")
    found = artifacts.curve(tmp_path)
    assert [point["learnt"] for point in found["points"]] == [8, 16, 24]
    assert found["next"]["learnt"] == pytest.approx(32)
    assert found["band"][0]["learnt"] == pytest.approx(8)
    assert found["band"][-1]["learnt"] == pytest.approx(32)


def test_the_rule_goes_by_the_point_estimate(tmp_path: Path) -> None:
    rounds = [a_round(tmp_path / str(n), 10 * n, right) for n, right in ((1, 10), (2, 25))]
    worth = curve(rounds, None, tmp_path, 0) and artifacts.curve(tmp_path)["next"]["points_per_usd"]
    assert worth > 0
    assert curve(rounds, worth * 0.99, tmp_path, 0)["stop"] is None
    stopped = curve(rounds, worth * 1.01, tmp_path, 0)["stop"]
    assert "points a dollar is under select.stop_below" in stopped


def test_without_a_price_or_a_second_point_nothing_is_worth_a_number(tmp_path: Path) -> None:
    free = [a_round(tmp_path / f"free{n}", 10 * n, 10 * n, usd_micros=0) for n in (1, 2)]
    figures = curve(free, None, tmp_path, 0)
    assert "$" not in figures["advice"]
    assert artifacts.curve(tmp_path)["next"]["points_per_usd"] is None
    alike = [a_round(tmp_path / f"alike{n}", 10, 20) for n in (1, 2)]
    assert "cannot be told" in curve(alike, 5.0, tmp_path, 0)["advice"]
    assert artifacts.curve(tmp_path)["stop"] is None
