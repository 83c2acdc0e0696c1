"""Every experiment that tunes models runs from end to end, on a base of few layers."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import experiment
from cells import REFUSED


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the experiments share, such as their base, is made once."""
    return tmp_path_factory.mktemp("work")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apprentice", "degraded", "adapters", "selection_screen", "selection_tuned"])
def test_an_experiment_measures_every_quick_cell(
    name: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BRIDGE_DATA", raising=False)
    monkeypatch.setattr("sys.argv", [name, "--quick", "--work", str(work)])
    asked: list[int] = []

    def study(quick: bool, folder: Path) -> experiment.Study:
        found = import_module(name).study(quick, folder)
        asked.append(len(todo := list(found.todo)))
        return experiment.Study(**vars(found) | {"todo": todo})

    experiment.run(name, "", "work", study)
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [len(rows)] == asked
    assert not [row for row in rows if REFUSED in row]
    assert all(row["strategies"] > 0 for row in rows if row["method"] == "tasks")
