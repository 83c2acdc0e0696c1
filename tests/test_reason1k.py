"""reason1k: gates, the hardest share, domains and clusters in turn, halving weights, quotas, and rounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill.errors import UserError
from bridge_distill.selection.contract import Pick, Pool
from bridge_distill.selection.ranking import make_selector, rank


def choose(pool: Pool, count: int, seed: int = 3, **options: Any) -> list[Pick]:
    return make_selector("reason1k", options, seed, 1).choose(pool, count)


def rows(picks: list[Pick]) -> list[int]:
    return [pick.index for pick in picks]


def pool_of(domains: list[str | None], difficulty: Any = None, vectors: Any = None, **signals: Any) -> Pool:
    hard = np.linspace(0, 1, len(domains)) if difficulty is None else np.asarray(difficulty, dtype=np.float64)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in signals.items()}
    return Pool(list(range(len(domains))), vectors, hard, domains, columns)


def served(pool: Pool, picks: list[Pick]) -> Counter[str | None]:
    assert pool.domains is not None
    return Counter(pool.domains[row] for row in rows(picks))


def test_gates_come_first_then_the_hard_then_domains_in_turn() -> None:
    length = np.where(np.arange(40) % 4 == 0, 900.0, 100.0)
    pool = pool_of(["a", "b"] * 20, length=length)
    picks = choose(pool, 40, gates={"length": {"at_most": 500}}, hardest=0.4)
    hard = rows(picks)[:12]
    assert all(length[row] == 100 for row in hard)
    assert min(np.linspace(0, 1, 40)[hard]) > 0.5
    assert {row % 2 for row in hard[:2]} == {0, 1}
    assert all("fails the gate length at most 500" in pick.reason for pick in picks[-10:])
    assert all("easier than the hardest share" in pick.reason for pick in picks[12:30])


def test_domains_are_served_evenly_or_in_proportion_to_what_passes() -> None:
    pool = pool_of(["large"] * 80 + ["small"] * 20, good=np.arange(100) % 2)
    gates = {"good": {"at_least": 1}}
    assert served(pool, choose(pool, 10, hardest=1)) == {"large": 5, "small": 5}
    assert served(pool, choose(pool, 10, hardest=1, turns="proportion", gates=gates)) == {"large": 8, "small": 2}


def test_a_domain_that_has_little_left_gives_way_to_the_others() -> None:
    pool = pool_of(["large"] * 30 + ["small"] * 3)
    assert served(pool, choose(pool, 12, hardest=1)) == {"large": 9, "small": 3}


def test_clusters_take_turns_within_a_domain() -> None:
    of = np.repeat(np.arange(5), 20)
    vectors = (np.eye(5, 8)[of] * 10 + np.random.default_rng(0).normal(scale=0.1, size=(100, 8))).astype(np.float32)
    pool = pool_of(["law"] * 100, np.full(100, 0.5), vectors)
    picks = choose(pool, 10, clusters=5, hardest=1)
    assert sorted(Counter(of[rows(picks)]).values()) == [2, 2, 2, 2, 2]
    assert all(pick.reason.startswith("law, cluster ") for pick in picks)


def test_in_a_cluster_the_weight_halves_with_every_rank() -> None:
    pool = pool_of(["a"] * 30)
    ranks = Counter(29 - rows(choose(pool, 1, seed, hardest=1))[0] for seed in range(1200))
    assert abs(ranks[0] / 1200 - 0.5) < 0.06
    assert abs(ranks[1] / 1200 - 0.25) < 0.05
    assert abs(ranks[2] / 1200 - 0.125) < 0.04


def test_the_reason_names_cluster_place_and_value() -> None:
    pool = pool_of(["a"] * 4 + ["b"] * 4, length=[8, 7, 6, 5, 4, 3, 2, 1])
    reasons = {pick.index: pick.reason for pick in choose(pool, 8, hardest=1, by="length")}
    assert reasons[1] == "a: 2 of 4 by length, 7.00"
    assert reasons[7] == "b: 4 of 4 by length, 1.00"


def test_quotas_are_counts_or_shares_of_every_beginning() -> None:
    pool = pool_of(["law", "tax", "art"] * 30)
    picks = choose(pool, 50, hardest=1, quotas={"law": 4, "tax": "10%"})
    beyond = ["beyond the quota of" in pick.reason for pick in picks]
    assert beyond.index(True) == 38, "30 of art, 4 of law, and of tax a tenth of 38, rounded up"
    assert served(pool, picks[:38]) == {"art": 30, "law": 4, "tax": 4}
    assert all(served(pool, picks[:count])["tax"] <= np.ceil(count / 10) for count in range(1, 39))


def test_beyond_quotas_is_taken_only_when_nothing_else_is_left_that_passes_the_gates() -> None:
    pool = pool_of(["law"] * 6 + ["tax"] * 6, length=[1, 9] * 6)
    picks = choose(pool, 12, gates={"length": {"at_most": 5}}, quotas={"law": 1}, hardest=1)
    assert served(pool, picks[:4]) == {"law": 1, "tax": 3}
    assert [("beyond" in pick.reason, "fails" in pick.reason) for pick in picks[4:6]] == [(True, False)] * 2
    assert all("fails the gate" in pick.reason for pick in picks[6:])


@pytest.mark.parametrize("amount", ["x", -1, 2.5, "101%", "nan", True])
def test_what_is_no_quota_is_refused(amount: Any) -> None:
    with pytest.raises(UserError, match=r"select\.options\.quotas\.law: must be a .*count.* or a share such as 10%"):
        choose(pool_of(["law"]), 1, quotas={"law": amount})


def test_a_quota_of_a_domain_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r"select\.options\.quotas\.lav: no question .* 'lav'; did you mean 'law'"):
        choose(pool_of(["law"]), 1, quotas={"lav": 3})


def test_a_signal_that_some_questions_lack_is_refused_where_it_is_used_and_only_there() -> None:
    pool = pool_of(["a"] * 5, gold=[1, np.nan, 2, np.nan, 3])
    for method, options in (
        ("reason1k", {"by": "gold"}),
        ("reason1k", {"gates": {"gold": {"at_most": 2}}}),
        ("entropy", {"by": "gold"}),
    ):
        with pytest.raises(
            UserError, match=r"select\.options\.\w+: 2 of 5 questions lack the signal 'gold'; [^\n]*\.$"
        ):
            rank(make_selector(method, options, 0, 1), pool, 2)
    assert len(rank(make_selector("reason1k", {}, 0, 1), pool, 2)) == 2


POOLS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 4)), min_size=3, max_size=40)
CHOICES: list[dict[str, Any]] = [
    {},
    {"turns": "proportion", "hardest": 0.3},
    {"gates": {"length": {"at_most": 2}}, "by": "length"},
    {"quotas": {"a": 2, "b": "25%"}, "clusters": 3},
]


@settings(deadline=None, max_examples=60)
@given(
    made=POOLS,
    seed=st.integers(0, 99),
    first=st.integers(1, 20),
    options=st.sampled_from(CHOICES),
    spread=st.booleans(),
)
def test_a_choice_in_rounds_is_the_one_made_at_once(
    made: list[tuple[str | None, int]], seed: int, first: int, options: dict[str, Any], spread: bool
) -> None:
    made = [("a", 1), ("b", 2), *made]
    vectors = np.random.default_rng(seed).normal(size=(len(made), 4)).astype(np.float32) if spread else None
    domains, hard = [domain for domain, _ in made], np.array([value for _, value in made]) / 4
    pool = pool_of(domains, hard, vectors, length=hard * 4)
    whole = choose(pool, len(made), seed, **options)
    assert sorted(rows(whole)) == list(range(len(made)))
    first = min(first, len(made) - 1)
    begun = choose(pool, first, seed, **options)
    assert begun == whole[:first]
    taken = np.array(rows(begun), dtype=np.int64)
    assert choose(replace(pool, taken=taken), len(made) - first, seed, **options) == whole[first:]


def test_rows_that_another_method_took_count_in_turns_and_quotas() -> None:
    pool = replace(pool_of(["law"] * 20 + ["tax"] * 20), taken=np.arange(4))
    picks = choose(pool, 8, hardest=1)
    assert not set(rows(picks)) & set(range(4))
    assert served(pool, picks) == {"law": 2, "tax": 6}
    assert served(pool, choose(pool, 8, hardest=1, quotas={"law": 5})) == {"law": 1, "tax": 7}


def test_ties_in_the_signal_rank_the_first_id_first() -> None:
    pool = pool_of(["a"] * 6, np.full(6, 0.5))
    reasons = {pick.index: pick.reason for pick in choose(pool, 6, hardest=1)}
    assert [reasons[row].split(" of ")[0] for row in range(6)] == [f"a: {row + 1}" for row in range(6)]
