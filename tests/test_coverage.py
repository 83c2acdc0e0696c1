"""Lazy greedy is greedy, the sparse graph is good enough, and partitioned greedy keeps its bound."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge_distill.selection import join, lists, neighbours, partition
from bridge_distill.selection.coverage import greedy, whole
from bridge_distill.selection.neighbours import ONE, Graph, Search
from bridge_distill.selection.partition import partitioned
from bridge_distill.selection.vectors import Directions


def directions_of(n: int, seed: int, width: int = 6) -> Directions:
    return Directions(np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32))


def dense(graph: Graph) -> NDArray[np.int64]:
    """The graph as a matrix (rows, candidates) of whole numbers."""
    matrix = np.zeros((len(graph.near), graph.candidates), dtype=np.int64)
    for row, (near, similarity) in enumerate(zip(graph.near, graph.similarity, strict=True)):
        np.maximum.at(matrix[row], near, similarity.astype(np.int64))
    return matrix


def naive(matrix: NDArray[np.int64], weights: NDArray[np.int64], count: int) -> tuple[list[int], list[int]]:
    """Plain greedy: every gain anew at every turn, of equal ones the first."""
    covered, order, gains = np.zeros(len(matrix), dtype=np.int64), list[int](), list[int]()
    for _ in range(count):
        gain = weights @ np.maximum(matrix - covered[:, None], 0)
        gain[order] = -1
        order.append(int(np.argmax(gain)))
        gains.append(int(gain[order[-1]]))
        covered = np.maximum(covered, matrix[:, order[-1]])
    return order, gains


@settings(deadline=None, max_examples=30)
@given(n=st.integers(2, 60), seed=st.integers(0, 9999), k=st.integers(1, 60), data=st.data())
def test_greedy_goes_on_from_what_any_earlier_choice_covers(n: int, seed: int, k: int, data: st.DataObject) -> None:
    graph = Search(k, 4, 0, 1).graph(directions_of(n, seed))
    weights = whole(np.round(np.random.default_rng(seed).random(n), 1))
    taken = data.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1, max_size=n - 1))
    matrix, covered = dense(graph), dense(graph)[:, taken].max(axis=1)
    gain = weights @ np.maximum(matrix - covered[:, None], 0)
    gain[taken] = -1
    found = greedy(graph, weights, 1, np.array(taken))
    assert found.order.tolist() == [int(np.argmax(gain))]
    assert np.rint(found.gains * ONE * ONE).tolist() == [int(gain.max())]


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 9999),
    k=st.integers(1, 60),
    share=st.floats(0.01, 1),
    copies=st.integers(1, 4),
)
def test_lazy_greedy_equals_naive_greedy_to_the_last_bit(n: int, seed: int, k: int, share: float, copies: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = np.repeat(draw.normal(size=(n, 4)), copies, axis=0)[:n].astype(np.float32)
    graph = Search(k, 4, 0, 1).graph(Directions(vectors))
    weights = whole(np.round(draw.random(n), 1))
    count = max(1, int(share * n))
    found = greedy(graph, weights, count)
    order, gains = naive(dense(graph), weights, count)
    assert found.order.tolist() == order
    assert (found.gains * ONE**2).tolist() == gains


def test_a_short_list_that_runs_out_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_distill.selection.coverage._SHORT_LIST", 3)
    graph = Search(5, 4, 0, 1).graph(directions_of(80, 4))
    weights = whole(np.ones(80))
    assert greedy(graph, weights, 80).order.tolist() == naive(dense(graph), weights, 80)[0]


def test_the_exact_graph_holds_the_nearest_neighbours_and_each_row_itself() -> None:
    directions = directions_of(300, 1)
    graph = Search(10, 4, 0, 2).graph(directions)
    rows = directions.all()
    cosine = rows @ rows.T
    for row in range(300):
        expected = np.argsort(-cosine[row], kind="stable")[:10]
        assert set(graph.near[row]) == set(expected)
        place = np.argsort(graph.near[row])
        expected_similarity = np.clip(cosine[row, np.sort(expected)], 0, 1)
        assert np.allclose(graph.similarity[row][place] / ONE, expected_similarity, atol=2e-4)
        assert graph.similarity[row][graph.near[row] == row] == ONE


def latent(n: int, seed: int = 0, width: int = 48) -> Directions:
    """Clusters of a few latent dimensions in a wider space, as embeddings of questions are."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(10, n // 100), 12))
    points = centres[draw.integers(0, len(centres), n)] + 0.5 * draw.normal(size=(n, 12))
    return Directions((points @ draw.normal(size=(12, width)) + 0.2 * draw.normal(size=(n, width))).astype(np.float32))


def test_lists_find_most_of_the_true_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    directions = latent(6000)
    exact = Search(16, 4, 0, 2).graph(directions)
    monkeypatch.setattr(neighbours, "EXACT", 100)
    found = Search(16, 4, 0, 2).graph(directions)
    shared = [len(set(a) & set(b)) for a, b in zip(exact.near, found.near, strict=True)]
    assert np.mean(shared) / 16 > 0.85
    same = np.array_equal(found.near, Search(16, 4, 0, 1).graph(directions).near)
    assert same, "the number of threads does not show"


def test_thousands_of_equal_questions_do_not_fill_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    vectors = np.concatenate([np.ones((5000, 8)), draw.normal(size=(500, 8))]).astype(np.float32)
    index = lists.build(Directions(vectors), 0, 1)
    assert np.diff(index.lists.cuts).max() <= 1024
    assert sorted(index.lists.names) == list(range(5500))
    monkeypatch.setattr(neighbours, "EXACT", 100)
    graph = Search(8, 4, 0, 1).graph(Directions(vectors))
    assert all(graph.similarity[row].max() == ONE for row in range(5500))


def test_a_search_among_candidates_names_them_in_their_order() -> None:
    directions = directions_of(200, 3)
    candidates = np.array([7, 50, 51, 199])
    graph = Search(2, 4, 0, 1).graph(directions, np.arange(200), candidates)
    cosine = directions.all() @ directions.all()[candidates].T
    assert graph.candidates == 4
    assert all(set(graph.near[row]) == set(np.argsort(-cosine[row])[:2]) for row in range(200))


def facility_location(rows: NDArray[np.float32], chosen: NDArray[np.int64]) -> float:
    """The exact objective: every row counts, near or not."""
    return float(np.maximum((rows @ rows[chosen].T).max(axis=1), 0).sum())


def exact_greedy(rows: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    similarity = np.maximum(rows @ rows.T, 0)
    covered, chosen = np.zeros(len(rows), dtype=np.float32), list[int]()
    bound = similarity.sum(axis=0)
    while len(chosen) < count:
        best = int(np.argmax(bound))
        bound[best] = np.maximum(similarity[best] - covered, 0).sum()
        if bound[best] < bound.max():
            continue
        chosen.append(best)
        covered = np.maximum(covered, similarity[best])
        bound[best] = -1
    return np.array(chosen)


@pytest.mark.parametrize("kind", ["clustered", "no structure"])
def test_the_sparse_graph_reaches_98_percent_of_the_exact_objective_on_5000_rows(kind: str) -> None:
    directions = latent(5000) if kind == "clustered" else directions_of(5000, 0, 32)
    rows = directions.all()
    best = exact_greedy(rows, 250)
    chosen = greedy(Search(32, 4, 0, 2).graph(directions), whole(np.ones(5000)), 250).order
    for count in (50, 100, 250):
        assert facility_location(rows, chosen[:count]) > 0.98 * facility_location(rows, best[:count])


@settings(deadline=None, max_examples=40)
@given(n=st.integers(4, 11), count=st.integers(1, 4), parts=st.integers(2, 5), seed=st.integers(0, 9999))
def test_partitioned_greedy_keeps_its_bound_on_small_pools(n: int, count: int, parts: int, seed: int) -> None:
    count = min(count, n)
    directions, search = directions_of(n, seed, 3), Search(n, 4, seed, 1)
    weights = whole(np.random.default_rng(seed).random(n))
    matrix = dense(search.graph(directions))

    def worth(chosen: tuple[int, ...]) -> float:
        return float(weights @ matrix[:, list(chosen)].max(axis=1))

    found, judges = partitioned(directions, weights, count, parts, search)
    assert judges == n
    assert len(set(found.order.tolist())) == count
    best = max(worth(chosen) for chosen in combinations(range(n), count))
    reached = worth(tuple(found.order.tolist()))
    assert reached == pytest.approx(found.gains.sum() * ONE**2)
    assert reached >= (1 - 1 / np.e) ** 2 / min(parts, count) * best


def test_partitioned_greedy_comes_near_the_whole_pools_choice_with_a_sample_of_judges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition, "JUDGES", 1000)
    directions, weights, search = latent(3000), whole(np.ones(3000)), Search(32, 4, 0, 1)
    found, judges = partitioned(directions, weights, 60, 4, search)
    assert judges == 1000
    rows = directions.all()
    alone = greedy(search.graph(directions), weights, 60).order
    assert facility_location(rows, found.order) > 0.97 * facility_location(rows, alone)


def test_levels_keep_the_order_of_cosines() -> None:
    found = join.Nearest.nothing(1, 3)
    base = join.Lists(
        np.array([[-1.0], [0.5], [1.0], [0.0]], dtype=np.float32), np.array([0, 4]), np.arange(4, dtype=np.int32)
    )
    join.search(found, lambda rows: np.ones((len(rows), 1), dtype=np.float32), base, np.zeros((1, 1), np.int32), 1)
    assert set(found.rows[0]) == {1, 2, 3}
    assert np.allclose(np.sort(found.cosine(slice(None))[0]), [0, 0.5, 1], atol=1e-4)


def test_a_search_keeps_as_many_rows_as_its_numbers_can_tell_apart_and_refuses_more() -> None:
    points = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    rows, most = Directions(points).all(), join.MOST + 1
    found = join.Nearest.nothing(2, most)
    base = join.Lists(rows, np.array([0, len(rows)]), np.arange(len(rows), dtype=np.int32))
    join.search(found, rows.__getitem__, base, np.zeros((2, 1), np.int32), 1)
    cosine = np.take_along_axis(rows[:2] @ rows.T, found.rows, axis=1)
    assert np.allclose(np.sort(cosine), np.sort(rows[:2] @ rows.T)[:, -most:], atol=1e-4)
    with pytest.raises(AssertionError, match=r"a search keeps 4096 rows a query, not 62000"):
        join.Nearest.nothing(1, 62_000)
