"""docs/tutor.md says of every filter what the registry says, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from bridge_distill.assistant import check_filters
from bridge_distill.assistant.contract import filters
from bridge_distill.config import Run, Tutor

PAGE = (Path(__file__).parent.parent / "docs/tutor.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", PAGE, re.MULTILINE)


def test_the_table_of_filters_is_the_registry_in_its_order() -> None:
    ranked = sorted(filters.names(), key=lambda name: filters.get(name, "test").rank)
    assert [name for name, _ in ROWS] == ranked
    assert len({filters.get(name, "test").rank for name in ranked}) == len(ranked)


def test_the_table_says_which_filters_are_used_by_default() -> None:
    assert [name for name, default in ROWS if default == "yes"] == Tutor().filters


def test_the_example_is_valid() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    whole = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": 5}}
    run = Run.model_validate({**whole, **yaml.safe_load(example)})
    assert run.tutor is not None
    check_filters(run.tutor, "tutor")
