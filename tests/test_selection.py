"""The select stage writes why for every question; options are checked first; plain arrays work alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bridge_distill
from bridge_distill import artifacts, practice, selection
from bridge_distill.config import Run, Select
from bridge_distill.engine.columns import read_columns, write_columns
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.pipeline import check
from bridge_distill.records import Question, Score
from bridge_distill.runfile import read_run
from bridge_distill.selection import choose

IN_A_RUN = sorted(set(selection.selectors.names()) - {"rds"})


def write_pool(folder: Path, order: list[int]) -> None:
    draw = np.random.default_rng(2)
    vectors, difficulty = draw.normal(size=(40, 6)).astype(np.float32), draw.random(40)
    folder.mkdir()
    questions = practice.make("legal", 40, 0, 0.0)
    rows = [Score(questions[i].id, float(difficulty[i])) for i in order]
    write_rows(folder / artifacts.SCORES, Score, rows)
    write_rows(folder / artifacts.TRAIN, Question, [questions[i] for i in order])
    np.save(folder / artifacts.EMBEDDINGS, vectors[order])


@pytest.mark.parametrize("method", IN_A_RUN)
def test_the_order_of_rows_does_not_change_what_is_chosen(tmp_path: Path, method: str) -> None:
    chosen = []
    for name, order in (("a", list(range(40))), ("b", list(reversed(range(40))))):
        write_pool(tmp_path / name, order)
        figures = choose(Select(method=method), 6, tmp_path / name, tmp_path / name, tmp_path / name, 5)
        assert figures["chosen"] == 6
        rows = artifacts.choices(tmp_path / name)
        assert [row.question_id for row in rows] == [row.question_id for row in artifacts.scores(tmp_path / name)]
        assert all(row.reason for row in rows)
        assert sorted(row.rank for row in rows if row.chosen) == list(range(6))
        chosen.append({row.question_id: row.rank for row in rows if row.chosen})
    assert chosen[0] == chosen[1]


def test_signals_that_only_questions_with_gold_have_trouble_nobody_who_does_not_use_them(tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    write_pool(folder, list(range(40)))
    columns = read_columns(folder / artifacts.SCORES)
    gold = np.where(np.arange(40) < 25, 2.0, np.nan)
    write_columns(folder / artifacts.SCORES, {**columns, "gold_perplexity": gold})
    assert choose(Select(method="entropy"), 6, folder, folder, folder, 5)["chosen"] == 6
    with pytest.raises(UserError, match=r"select\.options\.by: 15 of 40 questions lack the signal 'gold_perplexity'"):
        choose(Select(method="entropy", options={"by": "gold_perplexity"}), 6, folder, folder, folder, 5)


def test_options_left_out_are_part_of_what_decides_a_choice() -> None:
    plain = selection.identity(Select(method="bridge"))
    assert plain["options"] == {
        "neighbours": 32,
        "probes": 4,
        "difficulty_weight": 0.5,
        "discount_hardest": 0.1,
        "parts": 1,
    }
    assert selection.identity(Select(method="bridge", options={"neighbours": 32})) == plain
    assert selection.identity(Select(method="bridge", options={"neighbours": 7})) != plain


BAD: list[tuple[dict[str, Any], str]] = [
    ({"method": "bridg"}, r"select\.method: unknown selection method 'bridg'; did you mean 'bridge'"),
    (
        {"method": "bridge", "options": {"neighbors": 3}},
        r"select\.options\.neighbors: is no option of bridge; did you mean 'neighbours'\? \(known: .*discount",
    ),
    ({"method": "bridge", "options": {"neighbours": 0}}, r"select\.options\.neighbours: .*greater than 0 \(got 0\)"),
    (
        {"method": "random", "options": {"neighbours": 3}},
        r"select\.options\.neighbours: is no option of random; it takes none",
    ),
    (
        {"method": "reason1k", "options": {"gates": {"length": {}}}},
        r"select\.options\.gates\.length: needs at_least or at_most",
    ),
    ({"method": "rds"}, r"select\.method: rds needs target, which this pool has not; give embeddings of questions"),
]


@pytest.mark.parametrize(("settings", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_a_bad_method_or_option_is_refused_before_anything_runs(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    tree = {"name": "r", "data": {"train": "practice:legal", "test": "practice:legal"}, "budget": {"queries": 5}}
    run = Run.model_validate({**tree, "select": settings})
    with pytest.raises(UserError, match=sentence) as caught:
        check(run, run.assistant, with_key=False)
    assert "\n" not in str(caught.value)


def test_options_can_be_set_in_a_run_file_and_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "name: r\ndata: {train: practice:legal, test: practice:legal}\nbudget: {queries: 5}\n"
        "select: {method: bridge, options: {neighbours: 7, parts: 2}}\n"
        "arms: {plain: {select: {method: random}, select.options: {}}}\n"
    )
    found = read_run(file, ["select.options.neighbours=9"])
    assert selection.identity(found.run.select)["options"]["neighbours"] == 9
    assert selection.identity(found.run.select)["options"]["parts"] == 2
    assert selection.identity(found.arms["plain"].select) == {"method": "random", "options": {}}


def test_plain_arrays_are_enough() -> None:
    draw = np.random.default_rng(0)
    vectors, difficulty = draw.normal(size=(50, 8)).astype(np.float32), draw.random(50)
    for method in IN_A_RUN:
        chosen = bridge_distill.select(vectors, difficulty, 5, method=method, seed=1)
        assert chosen.dtype == np.int64
        assert len(set(chosen.tolist())) == 5
    assert len(bridge_distill.select(vectors, None, 99)) == 50
    assert bridge_distill.select(None, None, 3, "stratified", domains=["a", "b", "c", "a"]).tolist() != []
    target = bridge_distill.select(vectors, None, 3, "rds", target=vectors[:1])
    assert target[0] == 0


@pytest.mark.parametrize("ids", [None, [f"q{n:02d}" for n in reversed(range(50))]], ids=["row numbers", "ids"])
def test_a_choice_from_plain_arrays_goes_on_from_rows_taken_before(ids: list[str] | None) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    whole = bridge_distill.select(vectors, None, 12, ids=ids)
    assert bridge_distill.select(vectors, None, 7, ids=ids, taken=whole[:5]).tolist() == whole[5:].tolist()
    assert len(bridge_distill.select(vectors, None, 99, ids=ids, taken=[3, 4])) == 48
    assert bridge_distill.select(vectors, None, 1, ids=ids, taken=range(50)).tolist() == []


def test_a_memory_map_is_read_and_not_changed(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float16)
    np.save(tmp_path / "e.npy", vectors)
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    assert np.array_equal(bridge_distill.select(mapped, None, 9), bridge_distill.select(vectors, None, 9))
    assert np.array_equal(np.load(tmp_path / "e.npy"), vectors)


ARRAYS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
MISFITS: list[tuple[dict[str, Any], str]] = [
    (
        {"embeddings": None, "difficulty": [0.1, 0.2], "method": "bridge"},
        "select.method: bridge needs embeddings, which this pool has not",
    ),
    ({"embeddings": ARRAYS, "difficulty": [0.1, 0.2]}, r"difficulty: has shape \(2,\) for 4 questions"),
    ({"embeddings": ARRAYS, "difficulty": [1, 2, 3, 4]}, r"difficulty: is outside 0\.\.1; scale it"),
    ({"embeddings": ARRAYS[0], "difficulty": None}, r"embeddings: have shape \(3,\) for 3 questions"),
    ({"embeddings": ARRAYS, "difficulty": None, "ids": list("aabc")}, "ids: are not distinct"),
    ({"embeddings": ARRAYS, "difficulty": None, "budget": 0}, r"budget: must be above 0 \(got 0\)"),
    ({"embeddings": ARRAYS[:0], "difficulty": None}, "pool: holds no questions"),
    ({"embeddings": ARRAYS, "difficulty": None, "method": "entropy"}, "entropy needs difficulty"),
    (
        {"embeddings": ARRAYS, "difficulty": None, "method": "rds", "target": ARRAYS[:, :2]},
        "target: have width 2, the pool's 3",
    ),
    ({"embeddings": ARRAYS, "difficulty": None, "domains": ["a"]}, "domains: are 1 for 4 questions"),
    (
        {"embeddings": ARRAYS, "difficulty": None, "domains": ["a", None, float("nan"), "b"]},
        r"domains: row 2 \(id 2\) is nan, neither text nor None; give None where a domain is not known\.$",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), MISFITS, ids=[sentence[:40] for _, sentence in MISFITS])
def test_arrays_that_do_not_fit_are_refused_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        bridge_distill.select(**{"budget": 2, **given})


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = "import sys, bridge_distill; print(bridge_distill.__version__, 'numpy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(bridge_distill.__file__).parent.parent)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert said.stdout.split()[1] == "False"
