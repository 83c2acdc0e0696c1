"""The documents' examples: each is a setting that the program takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bridge_distill import practice
from bridge_distill.config import Run
from bridge_distill.runfile import read_run
from bridge_distill.student import check
from bridge_distill.student.contract import curriculum_phases, orders
from bridge_distill.teacher.loopback import read_script
from bridge_distill.teacher.loopback.faults import KINDS, PLACES
from bridge_distill.traces import render

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEACHER = (ROOT / "docs/teacher.md").read_text(encoding="utf-8")
REPORTS = (ROOT / "docs/reports.md").read_text(encoding="utf-8")
ENGINES = (ROOT / "docs/engines.md").read_text(encoding="utf-8")
TRACES = (ROOT / "docs/traces.md").read_text(encoding="utf-8")
SHRINKING = (ROOT / "docs/shrinking.md").read_text(encoding="utf-8")
CURRICULUM = (ROOT / "docs/curriculum.md").read_text(encoding="utf-8")
DISTILLATION = (ROOT / "docs/distillation.md").read_text(encoding="utf-8")
IMPROVEMENT = (ROOT / "docs/improvement.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"```yaml\n(.*?)```",
    README + TEACHER + TRACES + IMPROVEMENT + SHRINKING + CURRICULUM + DISTILLATION + ENGINES + REPORTS,
    re.DOTALL,
)
LINES = re.findall(r"^    (teacher: \{.*)$", TEACHER, re.MULTILINE)
WHOLE = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}


@pytest.mark.parametrize("example", [*LINES, *(block for block in BLOCKS if "rules:" not in block)])
def test_every_example_is_part_of_a_valid_run_file(example: str) -> None:
    assert Run.model_validate({**WHOLE, **yaml.safe_load(example)}).name


def test_the_fault_script_is_valid(tmp_path: Path) -> None:
    [example] = [block for block in BLOCKS if "rules:" in block]
    (tmp_path / "faults.yaml").write_text(example)
    assert len(read_script(tmp_path / "faults.yaml").rules) == 3


def test_every_kind_of_fault_and_every_call_is_described() -> None:
    assert not [name for name in (*KINDS, *PLACES) if f"`{name}`" not in TEACHER and name != "ask"]


def test_the_trace_that_is_shown_is_one_that_the_expert_writes() -> None:
    shown = re.search(r"^    Strategy: .*?^    Answer: .*?$", TRACES, re.MULTILINE | re.DOTALL)
    assert shown is not None
    text = "Heart rate 134 beats per minute, QT 423 ms. Correct the QT by Bazett, in ms."
    trace = practice.trace(text, 0, False)
    assert trace is not None
    assert shown[0].replace("    ", "") == render(trace)


@pytest.mark.parametrize("name", [*curriculum_phases.names(), *orders.names()])
def test_every_phase_and_order_is_described(name: str) -> None:
    assert f"`{name}`" in CURRICULUM


def test_the_baseline_of_labels_is_one_and_the_same_wherever_it_is_shipped() -> None:
    files = [yaml.safe_load(path.read_text()) for path in (ROOT / "configs").rglob("*.yaml")]
    arms = [file["arms"]["labels"] for file in files if "labels" in file.get("arms", {})]
    assert len(arms) > 5
    assert all(arm == arms[0] for arm in arms)
    [override] = re.findall(r"^\| `labels` \| `(.*?)` \|", (ROOT / "docs/baselines.md").read_text(), re.MULTILINE)
    assert yaml.safe_load(override)["student.curriculum"] == arms[0]["student.curriculum"]


def test_every_baseline_is_described_as_it_is_shipped() -> None:
    page = (ROOT / "docs/baselines.md").read_text(encoding="utf-8")
    shipped = read_run(ROOT / "configs/baselines.yaml")
    assert set(shipped.arms) == set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    for run in (shipped.run, *shipped.arms.values()):
        check(run.student, with_assistant=run.assistant is not None)
        assert run.student.tokens == shipped.run.student.tokens
