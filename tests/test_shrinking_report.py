"""What the report says of the cut: size and latency of the base and of each student."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.report import summarise, write_report
from pages import Page

BASE = {"parameters": 134_515_008, "megabytes": 538.06, "prefill_ms": 412.25, "token_ms": 31.04}
SMALL = {"parameters": 21_300_000, "megabytes": 85.2, "prefill_ms": 70.5, "token_ms": 6.25}
OTHER = {"parameters": 500_000_000, "megabytes": 2000.0, "prefill_ms": 1500.0, "token_ms": 90.0}


def student(folder: Path, figures: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"seconds": 1.0, "inputs": {}, "figures": figures}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a student, and three arms: one from the same base, one from another, one made before this was told."""
    student(tmp_path / "student", {"parameters": 21_300_000, "shrunk": {"base": BASE, "student": SMALL}})
    student(tmp_path / "arms/direct/student", {"shrunk": {"base": BASE, "student": SMALL}})
    student(tmp_path / "arms/<b>wide/student", {"shrunk": {"base": OTHER, "student": BASE}})
    student(tmp_path / "arms/old/student", {"parameters": 5})
    arms = {name: {"student": f"arms/{name}/student"} for name in ("direct", "<b>wide", "old")}
    facts = {"name": "r", "config": {}, "plan": ["student"], "stages": {"student": "student"}, "arms": arms}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    return tmp_path


def test_the_page_sets_each_student_beside_its_base(run: Path) -> None:
    rows = Page.read(write_report(run)).rows
    small = ["21.3M", "85.2 MB", "70.5 ms", "6.2 ms"]
    base = ["135M", "538.1 MB", "412.2 ms", "31.0 ms"]
    assert [row for row in rows if row[0].startswith(("Base", "Student"))] == [
        ["Base", *base],
        ["Student", *small],
        ["Student of direct", *small],
        ["Base of <b>wide", "500M", "2,000.0 MB", "1,500.0 ms", "90.0 ms"],
        ["Student of <b>wide", *base],
    ]


def test_the_summary_holds_what_was_measured(run: Path) -> None:
    assert summarise(run)["student"]["shrunk"] == {"base": BASE, "student": SMALL}


def test_a_page_of_a_run_without_such_figures_has_no_such_part(run: Path) -> None:
    for record in run.rglob("record.json"):
        record.write_text(json.dumps({"seconds": 1.0, "inputs": {}, "figures": {"parameters": 5}}))
    assert "shrunk" not in Page.read(write_report(run)).ids
