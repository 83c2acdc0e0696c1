"""What cells of an experiment leave, and the tables that are made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import experiment
from apprentice_runs import Scale, run_file
from bases import BASE
from bridge_distill.errors import UserError
from cells import Cell, cells, compute, part_of, read_cells
from once import once
from tables import markdown, overall, table

TODO = list(cells([("one", 0.05), ("two", 0.05)], [0, 1], ["plain", "other"]))


def values(cell: Cell) -> dict[str, Any]:
    return {"values": [1, 1, 0, cell.method == "other"], "steps": 3}


def test_a_cell_is_computed_once_and_what_a_kill_cut_short_again(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    compute(TODO, values, 1, file)
    whole = file.read_text()
    compute(TODO, lambda cell: pytest.fail(f"{cell} again"), 1, file)
    assert file.read_text() == whole
    file.write_text(whole[: whole.rindex('"values"')] + "\n")
    seen: list[Cell] = []
    compute(TODO, lambda cell: seen.append(cell) or values(cell), 1, file)
    assert seen == TODO[-1:]


def test_a_refused_cell_stands_under_the_table_until_it_is_computed(tmp_path: Path) -> None:
    def refuse(cell: Cell) -> dict[str, Any]:
        if cell.method == "other":
            raise UserError("assistant.levels", "needs strategies", "buy them")
        return values(cell)

    file = tmp_path / "found.jsonl"
    for _ in range(2):
        compute(TODO, refuse, 1, file)
    rows = table(file, {"method": "plain"})
    assert len(read_cells(file)) == len(TODO)
    assert markdown(rows).count("needs strategies") == 4
    compute(TODO, values, 1, file)
    assert "needs strategies" not in markdown(table(file, {"method": "plain"}))


def test_time_that_is_over_begins_no_cell(tmp_path: Path) -> None:
    compute(TODO, lambda cell: pytest.fail(f"{cell} was begun"), -1, tmp_path / "found.jsonl")


def test_workers_share_all_cells_and_keep_the_seeds_of_a_set_together() -> None:
    parts = [part_of(TODO, worker, 3) for worker in (1, 2, 3)]
    assert sorted((cell for part in parts for cell in part), key=TODO.index) == TODO
    held = [{(cell.set, cell.seed) for cell in part} for part in parts]
    assert not held[0] & held[1] | held[1] & held[2] | held[0] & held[2]


def test_a_table_compares_the_seeds_that_both_have(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    rows = [("plain", 0, [1, 0, 0, 0] * 9), ("plain", 1, [1, 1, 0, 0] * 9), ("other", 1, [1] * 36)]
    for method, seed, found in rows:
        row = {"set": "one", "share": 0.05, "method": method, "seed": seed, "values": found, "steps": seed}
        with file.open("a") as out:
            out.write(json.dumps(row) + "\n")
    plain, other = table(file, {"method": "plain"}, {"method": "plain"}, ["steps"])
    assert (plain["mean"][0], plain["steps"], "over" in plain) == (0.375, 0.5, False)
    assert (other["over"][0], other["of_ceiling"][0]) == (0.5, 2.0)
    assert "| one | 5% | other | 1 | 100 [" in markdown([plain, other])


def test_the_interval_of_a_mean_holds_it_and_has_a_width_where_all_are_alike(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    compute([Cell("one", 0.05, "plain", 0)], lambda cell: {"values": np.zeros(20)}, 1, file)
    point, low, high = table(file, {"method": "plain"})[0]["mean"]
    assert low == point == 0 < high < 0.2


def test_a_figure_that_older_cells_lack_is_the_mean_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    compute(TODO[:1], values, 1, file)
    compute(TODO[2:3], lambda cell: values(cell) | {"paid": 20}, 1, file)
    [row] = table(file, {"method": "other"}, figures=("steps", "paid"))
    assert (row["seeds"], row["steps"], row["paid"]) == (2, 3, 20)


def test_one_seed_tells_no_overall_ratio(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    compute([cell for cell in TODO if cell.seed == 0], values, 1, file)
    assert overall(file, "plain") == []
    file.unlink()
    compute(TODO, lambda cell: {"values": [1 + cell.seed + (cell.method == "other")]}, 1, file)
    [row] = overall(file, "plain")
    assert (row["method"], row["of"], row["ratio"][0]) == ("other", 2, 1.7321)


def test_a_folder_is_made_once_and_whole(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "made").write_text("whole")

    def beaten(folder: Path) -> None:
        (tmp_path / "late").mkdir()
        make(tmp_path / "late")
        (folder / "made").write_text("too late")

    def killed(folder: Path) -> None:
        make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(tmp_path / "killed", killed)
    assert not (tmp_path / "killed").exists()
    for name, maker in {"killed": make, "late": beaten}.items():
        for _ in range(2):
            assert (once(tmp_path / name, maker) / "made").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "late"]


def test_a_work_folder_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def study(quick: bool, work: Path) -> experiment.Study:
        seen.append(work)
        return experiment.Study([], values, {})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["experiment", "--quick", "--work", "here"])
    experiment.run("name", "", "work", study)
    assert seen == [tmp_path / "here"]


def test_a_run_of_an_apprentice_is_named_by_all_its_settings_and_shared_by_the_rounds_of_improvement(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{BASE}-1").mkdir()

    def name(method: str, **more: Any) -> str:
        return run_file(Cell("practice-legal", 0.05, method, 0), Scale(**more), tmp_path).run.name

    names = [name("plain"), name("plain", tokens=90), name("plain", assistant={"epochs": 1}), name("improved 1")]
    assert len(set(names)) == len(names)
    assert names == [
        name("plain"),
        name("plain", tokens=90),
        name("plain", assistant={"epochs": 1}),
        name("improved 3"),
    ]
