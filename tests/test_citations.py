"""What a page cites is what its stages used, and no key of the registry leads nowhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from answered import answered_run
from bridge_distill.config import Student
from bridge_distill.report import citations, write_report
from bridge_distill.selection import selectors
from bridge_distill.selection.measure import signals
from bridge_distill.student.contract import curriculum_phases
from pages import Page


def methods(stage: str, settings: dict[str, object]) -> dict[str, list[str]]:
    return {one.method: one.works for one in citations.cited(citations.of_stage(stage, settings))}


def test_every_selector_and_signal_of_ours_is_in_the_registry() -> None:
    assert set(citations.SELECTORS) == set(selectors.names())
    columns = {column for name in signals.names() for column in signals.get(name, "test").columns}
    assert columns <= set(citations.SIGNALS)
    assert set(citations.PHASES) <= set(curriculum_phases.names())


def test_every_key_is_that_of_a_work() -> None:
    tables = (citations.SELECTORS, citations.SIGNALS, citations.EMBEDDERS, citations.ADAPTERS, citations.PHASES)
    keys = {key for table in (*tables, citations.ORDERS, citations.TESTS) for works in table.values() for key in works}
    assert keys <= set(citations.WORKS)


def test_a_stage_is_cited_for_what_its_settings_say() -> None:
    found = methods("select", {"select": {"method": "k_center"}})
    assert [*found] == ["Selection k_center"]
    assert "arXiv 1708.00489" in found["Selection k_center"][1]
    assert methods("select", {"select": {"method": "random"}}) == {}
    assert methods("select", {"select": {"method": "of another package"}}) == {}
    student = {"student": {"curriculum": ["instruct", {"phase": "multi_task", "order": "easy_first"}], "shrink": {}}}
    assert [*methods("student", student)] == ["Curriculum phase multi_task", "Order easy_first"]
    assert [*methods("guide/long", {"guide": {"floor": 60}})] == [
        "Guidance while a model writes",
        "Thinking made longer or shorter",
    ]


def taught(phase: str, **options: float) -> dict[str, list[str]]:
    """What a student of one phase is cited for, as its stage records its settings."""
    student = Student.model_validate({"curriculum": [{"phase": phase, **options}]})
    return methods("student", {"student": student.identity()})


def test_the_phases_of_probabilities_are_cited_for_what_they_compute() -> None:
    [hinton, gold] = taught("distil")["Curriculum phase distil"]
    assert "1503.02531" in hinton
    assert "GOLD" in gold
    assert gold in taught("on_policy")["Curriculum phase on_policy"]
    assert "Divergence with beta 0" not in taught("distil", beta=0.0)
    assert "2306.13649" in taught("distil", beta=0.5)["Divergence with beta 0.5"][0]
    assert "2306.08543" in taught("distil", beta=1)["Divergence with beta 1"][0]


def test_the_page_cites_methods_of_finished_stages_only(tmp_path: Path) -> None:
    run = answered_run(tmp_path, 4)
    stage = {"stage": "assistant", "settings": {"assistant": {"adapter": {"kind": "lora"}}}, "figures": {}}
    (run / "assistant").mkdir()
    (run / "assistant/record.json").write_text(json.dumps(stage))
    facts = json.loads((run / "run.json").read_text())
    facts["stages"]["assistant"] = "assistant"
    (run / "run.json").write_text(json.dumps(facts))
    rows = {row[0]: row[1] for row in Page.read(write_report(run)).rows if len(row) == 2}
    assert "arXiv 2106.09685" in rows["Adapter lora"]
    assert "Newcombe" in rows["Intervals of paired differences"]
    shutil.rmtree(run / "assistant")
    assert "Adapter lora" not in Page.read(write_report(run)).text
