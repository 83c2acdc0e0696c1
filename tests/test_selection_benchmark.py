"""The benchmark of selection measures the method that it names, whatever the library's default is."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import bridge_distill


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import selection

    return selection


def test_every_choice_that_is_timed_is_one_of_bridge(benchmark: ModuleType) -> None:
    draw = np.random.default_rng(0)
    rows, difficulty = draw.normal(size=(200, 8)).astype(np.float32), draw.random(200)
    for options in (None, benchmark.PLAIN):
        expected = bridge_distill.select(rows, difficulty, 9, "bridge", options=options)
        assert benchmark.choose(rows, difficulty, 9, options).tolist() == expected.tolist()


def test_a_library_that_is_not_there_leaves_the_other_figures_whole(benchmark: ModuleType, tmp_path: Path) -> None:
    found = benchmark.compare(tmp_path, [], 600, 30)
    assert found["bridge"]["worth"] > found["random"]["worth"]
    assert found["apricot dense"] == {"error": "no --peer holds apricot"}
    assert benchmark.compare_graphs(tmp_path, [], 600)["ours"]["recall"] > 0.98


def test_sizes_are_measured_in_processes_of_their_own(benchmark: ModuleType, tmp_path: Path) -> None:
    found = benchmark.measure_sizes(tmp_path, [300, 600])
    assert [(row["rows"], row["chosen"]) for row in found] == [(300, 3), (600, 6)]
