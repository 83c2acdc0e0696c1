"""Every selector in the registry keeps the contract, on ordinary pools and on degenerate ones."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from bridge_distill.errors import UserError
from bridge_distill.selection.contract import Pick, Pool, selectors
from bridge_distill.selection.ranking import make_selector, rank

KINDS = {
    "spread": lambda draw, n: draw.normal(size=(n, 6)),
    "equal": lambda draw, n: np.ones((n, 6)),
    "zero": lambda draw, n: np.zeros((n, 6)),
    "twins": lambda draw, n: np.repeat(draw.normal(size=(-(-n // 5), 6)), 5, axis=0)[:n],
    "huge and tiny": lambda draw, n: draw.normal(size=(n, 6)) * 10.0 ** draw.integers(-4, 4, size=(n, 1)),
}
OPTIONS: dict[str, list[dict[str, object]]] = {
    "bridge": [{"parts": 3}, {"neighbours": 1}],
    "rds": [{"by": "mean"}],
    "reason1k": [
        {"gates": {"length": {"at_most": 0.2}}, "turns": "proportion"},
        {"hardest": 1, "clusters": 3},
    ],
    "deita": [{"scores": ["difficulty", "length"], "most_alike": 0.2}],
    "dpp": [{"quality": 0, "bandwidth": 3}],
    "typical": [{"most_clusters": 3}],
}
VARIANTS = [(name, options) for name in selectors.names() for options in [{}, *OPTIONS.get(name, [])]]
every_variant = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=lambda value: str(value))


def pool_of(n: int, kind: str = "spread", seed: int = 1, domains: bool = False) -> Pool:
    """A pool that knows all there is to know."""
    draw = np.random.default_rng(seed)
    vectors = KINDS[kind](draw, n).astype(np.float32)
    difficulty = np.full(n, 0.5) if kind in {"equal", "zero"} else draw.random(n)
    signals = {"length": difficulty.copy()}
    named = [[None, "law", "tax"][i] for i in draw.integers(0, 3, n)] if domains else None
    target = draw.normal(size=(4, 6)).astype(np.float32)
    return Pool([f"q{i:03d}" for i in range(n)], vectors, difficulty, named, signals, target)


def in_order(pool: Pool, order: np.ndarray) -> Pool:
    """The same questions in another order of rows."""
    return Pool(
        [pool.ids[i] for i in order],  # type: ignore[arg-type]
        pool.embeddings[order],  # type: ignore[index]
        pool.difficulty[order],  # type: ignore[index]
        None if pool.domains is None else [pool.domains[i] for i in order],
        {"length": pool.signals["length"][order]},
        pool.target,
        taken=np.argsort(order)[pool.taken],
    )


def choose(method: str, options: dict[str, object], pool: Pool, count: int, seed: int = 3) -> list[Pick]:
    return rank(make_selector(method, options, seed, 1), pool, count)


def rows(picks: list[Pick]) -> list[int]:
    return [pick.index for pick in picks]


@every_variant
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "count"), [(1, 1), (2, 1), (3, 5), (40, 7), (40, 40)])
def test_the_budget_is_met_without_duplicates(
    method: str, options: dict[str, object], kind: str, n: int, count: int
) -> None:
    for domains in (False, True):
        pool = pool_of(n, kind, domains=domains)
        picks = choose(method, options, pool, count)
        assert len(picks) == len(set(rows(picks))) == min(count, n)
        assert all(pick.reason for pick in picks)
        assert all(pick.gain is None or np.isfinite(pick.gain) for pick in picks)
        assert picks == choose(method, options, pool, count), "the seed decides everything"


PROMISED = [
    (name, options) for name, options in VARIANTS if selectors.get(name, "test").prefix and "parts" not in options
]


@pytest.mark.parametrize(("method", "options"), PROMISED, ids=lambda value: str(value))
@pytest.mark.parametrize("kind", KINDS)
def test_where_promised_a_smaller_budget_keeps_the_best_prefix(
    method: str, options: dict[str, object], kind: str
) -> None:
    for domains in (False, True):
        pool = pool_of(40, kind, domains=domains)
        chosen = rows(choose(method, options, pool, 40))
        for count in (1, 6, 23):
            assert rows(choose(method, options, pool, count)) == chosen[:count]


@pytest.mark.parametrize(("method", "options"), PROMISED, ids=lambda value: str(value))
def test_the_prefix_holds_in_a_large_pool_of_repeated_questions(method: str, options: dict[str, object]) -> None:
    draw = np.random.default_rng(4)
    vectors = draw.normal(size=(60, 6)).astype(np.float32)[draw.integers(0, 60, 5000)]
    hard = np.round(draw.random(5000), 1)
    pool = Pool(range(5000), vectors, hard, None, {"length": hard}, vectors[:1] + np.float32(0.1))
    chosen = rows(choose(method, options, pool, 700))
    for count in (200, 333, 500):
        assert rows(choose(method, options, pool, count)) == chosen[:count]


def test_rds_takes_the_first_of_equal_questions_whatever_the_budget() -> None:
    pool = Pool(range(70_000), np.zeros((70_000, 2), dtype=np.float16), target=np.eye(2, dtype=np.float32))
    for count in (300, 61_441, 65_000):
        assert rows(choose("rds", {}, pool, count)) == list(range(count))


@pytest.mark.parametrize("method", ["bridge", "max_herding", "typical"])
@pytest.mark.parametrize("option", ["neighbours", "probes"])
def test_more_neighbours_than_a_search_can_keep_are_refused(method: str, option: str) -> None:
    with pytest.raises(UserError, match=rf"select\.options\.{option}: .*less than or equal to 4096 \(got 4097\)"):
        choose(method, {option: 4097}, pool_of(10), 3)
    assert len(choose(method, {option: 4096}, pool_of(10), 3)) == 3


@every_variant
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_does_not_change_the_choice(method: str, options: dict[str, object], kind: str) -> None:
    pool = pool_of(40, kind, domains=True)
    order = np.random.default_rng(9).permutation(40)
    shuffled = in_order(pool, order)
    expected = [pool.ids[i] for i in rows(choose(method, options, pool, 11))]
    assert [shuffled.ids[i] for i in rows(choose(method, options, shuffled, 11))] == expected


@pytest.mark.parametrize("method", sorted(set(selectors.names()) - {"random", "stratified", "reason1k"}))
@pytest.mark.parametrize("kind", ["equal", "zero"])
def test_of_equal_questions_the_first_ids_are_chosen(method: str, kind: str) -> None:
    assert sorted(rows(choose(method, {}, pool_of(30, kind), 8))) == list(range(8))


@every_variant
def test_half_precision_and_more_threads_choose_as_many(method: str, options: dict[str, object]) -> None:
    pool = pool_of(40)
    half = replace(pool, embeddings=pool.embeddings.astype(np.float16))  # type: ignore[union-attr]
    assert len(choose(method, options, half, 9)) == 9
    several = rank(make_selector(method, options, 3, 3), pool, 9)
    assert several == choose(method, options, pool, 9)


@pytest.mark.parametrize("method", selectors.names())
def test_what_is_no_number_is_refused_in_one_sentence(method: str) -> None:
    pool = pool_of(10)
    for broken in (np.nan, np.inf):
        vectors = np.array(pool.embeddings)
        vectors[7, 2] = broken
        with pytest.raises(UserError, match=r"embeddings: row 7 \(id q007\) holds NaN or infinity; [^\n]*\.$"):
            choose(method, {}, replace(pool, embeddings=vectors), 3)
        hard = np.array(pool.difficulty)
        hard[4] = broken
        with pytest.raises(UserError, match=r"difficulty: row 4 \(id q004\) is NaN or infinite \(1 of 10 [^\n]*\.$"):
            choose(method, {}, replace(pool, difficulty=hard), 3)


@settings(deadline=None, max_examples=25)
@hypothesis.given(
    n=st.integers(1, 60), seed=st.integers(0, 999), share=st.floats(0.01, 1), kind=st.sampled_from(sorted(KINDS))
)
def test_any_pool_and_budget_give_a_choice(n: int, seed: int, share: float, kind: str) -> None:
    pool, count = pool_of(n, kind, seed, domains=seed % 2 == 0), max(1, int(share * n))
    for method in selectors.names():
        picks = choose(method, {}, pool, count, seed)
        assert len(set(rows(picks))) == len(picks) == count


def given(pool: Pool, taken: list[int]) -> Pool:
    """The pool with some rows chosen already."""
    return replace(pool, taken=np.array(taken, dtype=np.int64))


@settings(deadline=None, max_examples=40)
@hypothesis.given(n=st.integers(2, 40), seed=st.integers(0, 999), kind=st.sampled_from(sorted(KINDS)), data=st.data())
def test_what_is_taken_is_never_chosen_again(n: int, seed: int, kind: str, data: st.DataObject) -> None:
    pool = pool_of(n, kind, seed, domains=seed % 2 == 0)
    taken = data.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1))
    count = data.draw(st.integers(1, n))
    for method, options in VARIANTS:
        picks = rows(choose(method, options, given(pool, taken), count, seed))
        assert len(picks) == len(set(picks)) == min(count, n - len(taken))
        assert not set(picks) & set(taken)


@settings(deadline=None, max_examples=40)
@hypothesis.given(
    seed=st.integers(0, 999), kind=st.sampled_from(sorted(KINDS)), first=st.integers(1, 20), then=st.integers(1, 20)
)
def test_where_promised_a_choice_goes_on_where_an_earlier_one_ended(
    seed: int, kind: str, first: int, then: int
) -> None:
    pool = pool_of(40, kind, seed, domains=seed % 2 == 0)
    for method, options in PROMISED:
        before = choose(method, options, pool, first, seed)
        after = choose(method, options, given(pool, rows(before)), then, seed)
        assert before + after == choose(method, options, pool, first + then, seed), method


class Watched(np.ndarray):
    """A matrix that remembers in which order its rows were picked out."""

    picked: list[np.ndarray]

    def __getitem__(self, rows: object) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            self.picked.append(rows)
        return np.asarray(self)[rows]  # type: ignore[index]


def watched(matrix: object) -> Watched:
    found = np.asarray(matrix).view(Watched)
    found.picked = []
    return found


LOOKING = sorted(name for name in selectors.names() if "embeddings" in selectors.get(name, "test").needs)


@pytest.mark.parametrize("method", selectors.names())
def test_embeddings_in_another_order_than_ids_are_read_once_from_front_to_back_if_at_all(method: str) -> None:
    order, among = np.random.default_rng(2).permutation(40), np.arange(3, 40)
    pool = in_order(pool_of(40, domains=True), order)
    plain, position = watched(pool.embeddings), watched(pool.embeddings)
    known = replace(pool, embeddings=plain, weighted=position)
    selector = make_selector(method, {}, 3, 1)
    assert rows(rank(selector, known, 7, among)) == rows(rank(selector, pool, 7, among))
    read = [rows.tolist() for rows in plain.picked]
    if method == "rds":
        assert (read, [rows.tolist() for rows in position.picked]) == ([], [among.tolist()])
    else:
        assert position.picked == []
        assert read == ([among.tolist()] if method in {*LOOKING, "reason1k"} else [])


@every_variant
def test_the_order_of_rows_does_not_change_the_choice_given_what_is_taken(
    method: str, options: dict[str, object]
) -> None:
    pool = given(pool_of(40, domains=True), [31, 4, 17, 8])
    order = np.random.default_rng(5).permutation(40)
    expected = [pool.ids[row] for row in rows(choose(method, options, pool, 11))]
    shuffled = in_order(pool, order)
    assert [shuffled.ids[row] for row in rows(choose(method, options, shuffled, 11))] == expected


@pytest.mark.parametrize(
    ("method", "options"),
    [
        *((name, {}) for name in ("bridge", "max_herding", "k_center", "k_means", "typical", "dpp", "deita")),
        ("bridge", {"parts": 3}),
    ],
    ids=str,
)
def test_diverse_methods_look_where_nothing_is_taken_yet(method: str, options: dict[str, object]) -> None:
    pool, of = clustered([20, 12, 9, 8, 7])
    chosen = rows(choose(method, options, given(pool, [3, 25, 50]), 2))
    assert set(of[chosen]) == set(range(5)) - set(of[[3, 25, 50]])


def test_strata_count_what_is_taken_in_their_shares() -> None:
    pool = Pool(list(range(100)), domains=["a"] * 50 + ["b"] * 50, difficulty=np.linspace(0, 1, 100))
    taken = list(range(30))
    chosen = np.array(rows(choose("stratified", {}, given(pool, taken), 30)))
    assert (chosen >= 50).sum() == 30
    hard = rows(choose("reason1k", {"hardest": 1.0}, given(pool, list(range(10))), 10))
    assert min(hard) >= 50


@pytest.mark.parametrize(
    ("taken", "sentence"),
    [
        ([1, 1], r"taken: holds a row twice; [^\n]*\.$"),
        ([3, 10], r"taken: holds 10, which is no row of 10; [^\n]*\.$"),
        ([-1], r"taken: holds -1, which is no row of 10; [^\n]*\.$"),
    ],
)
def test_rows_that_cannot_have_been_taken_are_refused(taken: list[int], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        choose("random", {}, given(pool_of(10), taken), 3)


def clustered(sizes: list[int], seed: int = 0) -> tuple[Pool, np.ndarray]:
    """Tight clusters far apart, and the cluster of each row."""
    draw = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(len(sizes), 12)[of] * 10 + draw.normal(scale=0.1, size=(len(of), 12))
    ids = [f"q{i:03d}" for i in range(len(of))]
    return Pool(ids, vectors.astype(np.float32), np.full(len(of), 0.5)), of


@pytest.mark.parametrize("method", ["bridge", "max_herding", "k_center", "k_means", "typical", "dpp", "deita"])
def test_diverse_methods_visit_every_cluster_before_they_return_to_one(method: str) -> None:
    pool, of = clustered([20, 12, 9, 8, 7])
    assert set(of[rows(choose(method, {}, pool, 5))]) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("method", ["k_means", "typical", "bridge", "max_herding"])
def test_the_largest_cluster_comes_first(method: str) -> None:
    pool, of = clustered([8, 30, 9])
    assert of[rows(choose(method, {}, pool, 3))[0]] == 1


@pytest.mark.parametrize("count", [10, 25, 60])
def test_strata_are_served_in_proportion(count: int) -> None:
    pool = Pool(list(range(100)), domains=["a"] * 50 + ["b"] * 30 + [None] * 20)
    chosen = np.array(rows(choose("stratified", {}, pool, count)))
    counts = [(chosen < 50).sum(), ((chosen >= 50) & (chosen < 80)).sum(), (chosen >= 80).sum()]
    assert np.allclose(counts, np.array([0.5, 0.3, 0.2]) * count, atol=1)


def test_a_domain_that_all_share_gives_way_to_clusters() -> None:
    pool, of = clustered([40, 30, 20, 10])
    chosen = rows(choose("stratified", {"clusters": 4}, replace(pool, domains=["law"] * 100), 20))
    assert np.bincount(of[chosen]).tolist() == [8, 6, 4, 2]
    assert chosen == rows(choose("stratified", {"clusters": 4}, pool, 20))


def test_entropy_takes_the_hardest_first_by_any_signal() -> None:
    pool = Pool(["a", "b", "c"], difficulty=np.array([0.1, 0.9, 0.9]), signals={"length": np.array([5.0, 1.0, 9.0])})
    assert rows(choose("entropy", {}, pool, 3)) == [1, 2, 0]
    assert rows(choose("entropy", {"by": "length"}, pool, 3)) == [2, 0, 1]
    with pytest.raises(UserError, match=r"select\.options\.by: the pool has no signal 'lenght'; did you mean 'length'"):
        choose("entropy", {"by": "lenght"}, pool, 3)


def test_deita_refuses_what_is_too_similar_until_nothing_else_is_left() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0]], dtype=np.float32)
    pool = Pool(list("abcd"), vectors, np.array([0.9, 0.8, 0.7, 0.6]))
    assert rows(choose("deita", {}, pool, 4)) == [0, 2, 3, 1]


def test_rds_lets_each_target_choose_in_turn() -> None:
    vectors = np.array([[9, 0], [8, 1], [0, 9], [-9, -9]], dtype=np.float32)
    pool = Pool(list("abcd"), vectors, target=np.array([[20, 0], [0, 20]], dtype=np.float32))
    assert rows(choose("rds", {}, pool, 2)) == [0, 2]
    weighted = replace(pool, weighted=vectors[[3, 2, 1, 0]])
    assert rows(choose("rds", {}, weighted, 2)) == [3, 1], "position-weighted embeddings count where there are any"


def test_dpp_prefers_hard_questions_among_equally_diverse_ones() -> None:
    vectors = np.eye(6, dtype=np.float32)
    pool = Pool(list(range(6)), vectors, np.array([0.1, 0.5, 0.9, 0.3, 0.7, 0.2]))
    assert rows(choose("dpp", {"quality": 5}, pool, 3)) == [2, 4, 1]


def test_the_hardest_share_gains_nothing_from_being_hard() -> None:
    pool = Pool(list(range(11)), np.eye(11, dtype=np.float32), np.linspace(0, 1, 11))
    chosen = rows(choose("bridge", {"neighbours": 1, "discount_hardest": 0.2}, pool, 11))
    assert chosen == [8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 10]
