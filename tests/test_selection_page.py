"""docs/selection.md says of every method what the registry says, and its examples run."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bridge_distill.cli import main
from bridge_distill.config import Run
from bridge_distill.selection import check, selectors

PAGE = (Path(__file__).parent.parent / "docs/selection.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_table_of_methods_is_the_registry() -> None:
    said = {name.strip("`"): (needs.split(" (")[0], prefix) for name, _, needs, prefix, *_ in table("The methods")}
    known = {name: selectors.get(name, "test") for name in selectors.names()}
    assert said == {
        name: (", ".join(sorted(method.needs)) or "nothing", "yes" if method.prefix else "no")
        for name, method in known.items()
    }


def test_the_table_of_options_is_the_registry() -> None:
    said = {
        (method.strip("`"), option.strip("`")): json.loads(default)
        for method, option, default, _ in table("Their options")
    }
    assert said == {
        (name, option): field.default
        for name in selectors.names()
        for option, field in selectors.get(name, "test").options.model_fields.items()
    }
    without = {name for name in selectors.names() if not selectors.get(name, "test").options.model_fields}
    assert set(re.findall(r"`(\w+)`", PAGE.split("## Their options\n", 1)[1].split(" have none")[0])) == without


def test_the_functions_example_runs() -> None:
    found: dict[str, Any] = {}
    exec(block("python"), found)
    assert len(set(found["rows"].tolist())) == 40


def test_the_commands_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [line] = re.findall(r"^    (bridge-distill select .*)$", PAGE, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    np.save("e.npy", np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32))
    Path("pool.jsonl").write_text("".join(json.dumps({"question": f"{row}?"}) + "\n" for row in range(100)))
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0, capsys.readouterr().err
    assert len(Path("chosen.jsonl").read_text().splitlines()) == 5


def test_the_run_files_example_is_valid() -> None:
    whole = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}
    run = Run.model_validate({**whole, **yaml.safe_load(block("yaml"))})
    check(run.select)
