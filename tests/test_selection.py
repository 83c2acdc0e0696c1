"""Every selector keeps the contract, and lazy greedy is greedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill import artifacts, practice
from bridge_distill.config import Select
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.records import Question, Score
from bridge_distill.selection import choose
from bridge_distill.selection.contract import Pool, selectors
from bridge_distill.selection.methods.bridge import covered_by, difficulty_weights


def pool_of(n: int, seed: int, kind: str = "random") -> Pool:
    draw = np.random.default_rng(seed)
    vectors = {"random": draw.normal(size=(n, 6)), "equal": np.ones((n, 6)), "zero": np.zeros((n, 6))}[kind]
    return Pool([f"q{i:03d}" for i in range(n)], vectors.astype(np.float32), draw.random(n))


@pytest.mark.parametrize("method", selectors.names())
@pytest.mark.parametrize("kind", ["random", "equal", "zero"])
@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 1), (30, 7), (30, 30)])
def test_every_selector_keeps_the_contract(method: str, kind: str, n: int, count: int) -> None:
    pool = pool_of(n, 1, kind)
    selector = selectors.get(method, "select.method")
    picks = selector(pool, count, Select(method=method), 3)
    chosen = [pick.index for pick in picks]
    assert len(chosen) == count
    assert len(set(chosen)) == count
    assert all(pick.reason for pick in picks)
    assert chosen == [pick.index for pick in selector(pool, count, Select(method=method), 3)]
    fewer = selector(pool, max(1, count // 2), Select(method=method), 3)
    assert [pick.index for pick in fewer] == chosen[: len(fewer)], "a smaller budget keeps the best prefix"


@settings(deadline=None, max_examples=40)
@given(n=st.integers(2, 40), seed=st.integers(0, 1000), neighbours=st.integers(1, 40), weight=st.floats(0, 1))
def test_lazy_greedy_equals_naive_greedy(n: int, seed: int, neighbours: int, weight: float) -> None:
    pool, options = pool_of(n, seed), Select(neighbours=neighbours, difficulty_weight=weight)
    picks = selectors.get("bridge", "s")(pool, n, options, 0)
    weights = difficulty_weights(pool.difficulty, weight, options.discount_hardest)
    rows, similarity = covered_by(pool.embeddings, neighbours)
    reach = np.zeros((n, n))
    for candidate in range(n):
        reach[rows[candidate], candidate] = similarity[candidate]
    covered = np.zeros(n)
    for pick in picks:
        left = [i for i in range(n) if i not in [p.index for p in picks[: picks.index(pick)]]]
        gains = [float(weights @ np.maximum(reach[:, i] - covered, 0)) for i in left]
        assert pick.gain == pytest.approx(max(gains), abs=1e-9)
        covered = np.maximum(covered, reach[:, pick.index])


def test_bridge_covers_every_cluster_before_it_returns_to_one() -> None:
    draw = np.random.default_rng(0)
    centres = np.eye(5, 8) * 10
    vectors = np.concatenate([centre + draw.normal(scale=0.1, size=(12, 8)) for centre in centres])
    pool = Pool([f"q{i:02d}" for i in range(60)], vectors.astype(np.float32), np.full(60, 0.5))
    picks = selectors.get("bridge", "s")(pool, 5, Select(neighbours=20), 0)
    assert {pick.index // 12 for pick in picks} == {0, 1, 2, 3, 4}


def test_the_hardest_share_gains_nothing_from_being_hard() -> None:
    weights = difficulty_weights(np.linspace(0, 1, 11), 0.5, 0.2)
    assert weights[-1] == weights[0] == 0.5
    assert weights[7] > weights[3]


def write_pool(folder: Path, order: list[int]) -> None:
    pool = pool_of(40, 2)
    folder.mkdir()
    questions = practice.make("legal", 40, 0, 0.0)
    rows = [Score(pool.ids[i], float(pool.difficulty[i])) for i in order]
    write_rows(folder / artifacts.SCORES, Score, rows)
    write_rows(folder / artifacts.TRAIN, Question, [questions[i] for i in order])
    np.save(folder / artifacts.EMBEDDINGS, pool.embeddings[order])


@pytest.mark.parametrize("method", selectors.names())
def test_the_order_of_rows_does_not_change_what_is_chosen(tmp_path: Path, method: str) -> None:
    chosen = []
    for name, order in (("a", list(range(40))), ("b", list(reversed(range(40))))):
        write_pool(tmp_path / name, order)
        figures = choose(Select(method=method), 6, tmp_path / name, tmp_path / name, tmp_path / name, 5)
        assert figures["chosen"] == 6
        rows = artifacts.choices(tmp_path / name)
        assert len(rows) == 40
        assert all(row.reason for row in rows)
        chosen.append({row.question_id: row.rank for row in rows if row.chosen})
    assert chosen[0] == chosen[1]


def test_an_unknown_method_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"select\.method: unknown selection method 'bridg'; did you mean 'bridge'"):
        choose(Select(method="bridg"), 6, tmp_path, tmp_path, tmp_path, 5)
