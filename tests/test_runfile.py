"""Run files: what is refused, and with which sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge_distill.config import Run, Shrink
from bridge_distill.errors import UserError
from bridge_distill.runfile import RunFile, read_run

SHIPPED = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))
PLAIN: dict[str, Any] = {"name": "r", "data": {"train": "a.jsonl", "test": "b.jsonl"}, "budget": {"queries": "5%"}}


def read(folder: Path, tree: Any, *overrides: str) -> RunFile:
    path = folder / "run.yaml"
    path.write_text(tree if isinstance(tree, str) else yaml.safe_dump(tree))
    return read_run(path, overrides)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_every_shipped_run_file_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATA", "/data")
    assert read_run(path).run.name


def test_relative_paths_are_relative_to_the_run_file(tmp_path: Path) -> None:
    tree = {**PLAIN, "assistant": {"base": "./models/a"}, "student": {"instructions": "i.jsonl"}}
    run = read(tmp_path, {**tree, "score": {"embedder": "model2vec:./models/e"}}).run
    assert run.score.embedder == f"model2vec:{tmp_path / 'models/e'}"
    assert run.data.train == str(tmp_path / "a.jsonl")
    assert run.runs == tmp_path / "runs"
    assert run.assistant is not None
    assert run.assistant.base == str(tmp_path / "models/a")
    assert run.student.instructions == str(tmp_path / "i.jsonl")


def test_sources_that_are_no_paths_stay_as_they_are(tmp_path: Path) -> None:
    run = read(tmp_path, {**PLAIN, "data": {"train": "hf:a/b", "test": "practice:legal"}}).run
    assert (run.data.train, run.data.test) == ("hf:a/b", "practice:legal")


def test_overrides_reach_deep_and_keep_their_neighbours(tmp_path: Path) -> None:
    tree = {**PLAIN, "student": {"shrink": {"layers": 6, "vocabulary": "task"}}}
    run = read(tmp_path, tree, "student.epochs=2", "student.shrink.layers=[0, 3]", "budget.usd=1.50").run
    assert run.student.epochs == 2
    assert run.student.shrink.layers == [0, 3]
    assert run.student.shrink.vocabulary == "task"
    assert str(run.budget.usd) == "1.5"


SHRINKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("student", {"layers": 3}, {"layers": 3, "vocabulary": "task"}),
    ("student", {"vocabulary": None}, {"layers": 6, "vocabulary": None}),
    ("student", {}, {"layers": 6, "vocabulary": "task"}),
    ("student", {"layers": None, "vocabulary": None}, {"layers": None, "vocabulary": None}),
    ("student", {"size": "12M"}, {"layers": None, "vocabulary": "task", "size": 12_000_000}),
    ("assistant", {"layers": 12}, {"layers": 12, "vocabulary": "task"}),
    ("assistant", {"mlp": 0.5}, {"layers": None, "vocabulary": "task", "mlp": 0.5}),
]


@pytest.mark.parametrize(("section", "written", "meant"), SHRINKS)
def test_what_shrink_leaves_unsaid_stays_as_the_section_has_it(
    tmp_path: Path, section: str, written: dict[str, Any], meant: dict[str, Any]
) -> None:
    run = read(tmp_path, {**PLAIN, section: {"shrink": written}}).run
    assert getattr(run, section).shrink == Shrink.model_validate(meant)
    again = Run.model_validate({**PLAIN, section: {"shrink": getattr(run, section).shrink.identity()}})
    assert getattr(again, section).shrink == Shrink.model_validate(meant)


def test_one_override_of_shrink_changes_one_thing(tmp_path: Path) -> None:
    run = read(tmp_path, PLAIN, "student.shrink.layers=3").run
    assert (run.student.shrink.layers, run.student.shrink.vocabulary) == (3, "task")


def test_environment_values_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_POOL", "/pools/2026")
    run = read(tmp_path, {**PLAIN, "data": {"train": "${BRIDGE_POOL}/a.jsonl", "test": "b.jsonl"}}).run
    assert run.data.train == "/pools/2026/a.jsonl"


def test_a_run_file_names_the_variable_of_a_key_and_never_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "sk-canary-123")
    run = read(tmp_path, {**PLAIN, "teacher": {"key_env": "CANARY"}}).run
    assert run.teacher.key_env == "CANARY"
    assert "sk-canary" not in repr(run) + str(run.identity()) + run.model_dump_json()


def test_a_key_where_its_name_belongs_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"teacher\.key_env: string should match") as caught:
        read(tmp_path, {**PLAIN, "teacher": {"key_env": "sk-canary-123"}})
    assert "canary" not in str(caught.value)


def test_arms_are_whole_runs_with_their_overrides(tmp_path: Path) -> None:
    arms = {
        "direct": {"assistant": None, "tutor": None},
        "small": {"student.shrink.layers": 2, "select": {"method": "random"}},
    }
    file = read(tmp_path, {**PLAIN, "select": {"options": {"neighbours": 7}}, "arms": arms})
    assert file.arms["direct"].assistant is None
    assert file.arms["small"].student.shrink.layers == 2
    assert file.arms["small"].select.options == {"neighbours": 7}
    assert file.run.assistant is not None


def test_where_a_stage_runs_is_no_part_of_its_identity(tmp_path: Path) -> None:
    here = read(
        tmp_path, {**PLAIN, "compute": {"batch_tokens": 100}, "teacher": {"concurrency": 2, "base_url": "http://a/v1"}}
    ).run
    (tmp_path / "there").mkdir()
    there = read(tmp_path / "there", PLAIN).run
    assert here.identity() == there.identity()


BAD: list[tuple[Any, str]] = [
    ("- a\n- b\n", "holds no settings"),
    ("a: [1\n", r"run\.yaml:\d+: is not YAML"),
    ("a: \t1\n", r"run\.yaml:1: is not YAML"),
    ("name: 2024-02-30\n", r"run\.yaml: holds a value that cannot be read \(day is out of range for month\)"),
    ("name: \x00\n", r"run\.yaml: is not YAML"),
    ({}, "name: is missing"),
    ({**PLAIN, "seed": -1}, r"seed: .*greater than or equal to 0 \(got -1\)"),
    ({**PLAIN, "seed": 2**31}, r"seed: .*less than or equal to 2147483647"),
    ({**PLAIN, "data": {**PLAIN["data"], "answer": []}}, r"data\.answer: names no answer form \(got \[\]\)"),
    ({**PLAIN, "data": {**PLAIN["data"], "train": "a\0.jsonl"}}, r"data\.train: holds a NUL"),
    ({**PLAIN, "student": {"instructions": "\ud800"}}, r"student\.instructions: holds .*half a character"),
    ({**PLAIN, "arms": {"x": {"data.test": "b\0"}}}, r"arms\.x\.data\.test: holds a NUL"),
    ({**PLAIN, "name": "a/b"}, "name: string should match"),
    (
        {"name": "r", "data": PLAIN["data"]},
        r"budget: is missing; add it to the run file, such as budget: \{queries: 5%\}",
    ),
    ({**PLAIN, "studnt": {}}, "studnt: unknown key; did you mean 'student'"),
    ({**PLAIN, "student": {"epoch": 2}}, r"student\.epoch: unknown key; did you mean 'epochs'"),
    ({**PLAIN, "student": {"shrink": {"layer": 2}}}, r"student\.shrink\.layer: unknown key; did you mean 'layers'"),
    ({**PLAIN, "student": {"shrink": {"layers": 2, "size": "9M"}}}, r"student\.shrink: size draws a new model"),
    ({**PLAIN, "student": {"shrink": [6]}}, r"student\.shrink: "),
    ({**PLAIN, "student": {"epochs": 2, "steps": 9}}, "student: takes one of epochs, steps and tokens"),
    ({**PLAIN, "student": {"curriculum": []}}, r"student\.curriculum: .*at least 1"),
    ({**PLAIN, "budget": {}}, "budget: needs at least one cap"),
    ({**PLAIN, "budget": {"queries": 0}}, r"budget\.queries: must be above 0 \(got 0\)"),
    ({**PLAIN, "budget": {"queries": -3}}, r"budget\.queries: must be above 0 \(got -3\)"),
    ({**PLAIN, "budget": {"queries": "101%"}}, r"budget\.queries: must be at most 100%"),
    ({**PLAIN, "budget": {"queries": "some"}}, r"budget\.queries: must be an amount such as 40 or a share such as 5%"),
    ({**PLAIN, "budget": {"queries": 2.5}}, r"budget\.queries: must be a whole count"),
    ({**PLAIN, "budget": {"usd": -1}}, r"budget\.usd: must be above 0"),
    ({**PLAIN, "budget": {"usd": "nan"}}, r"budget\.usd: must be"),
    (
        {**PLAIN, "teacher": {"base_url": "${NO_SUCH_URL}"}},
        r"teacher\.base_url: environment variable NO_SUCH_URL is not set; run: export NO_SUCH_URL=",
    ),
    ({**PLAIN, "teacher": {"api_key": "k"}}, r"teacher\.api_key: unknown key; did you mean 'api_version'"),
    ({**PLAIN, "tutor": None}, "assistant and tutor go together"),
    ({**PLAIN, "arms": {"x": {"student.epoch": 1}}}, r"arms\.x: student\.epoch: unknown key; did you mean 'epochs'"),
    ({**PLAIN, "arms": {"x": {"name.a": 1}}}, r"arms\.x\.name\.a: 'name' is a value, not a section"),
    ({**PLAIN, "arms": {"student": {}}}, r"arms: .*'student' is the name of a model"),
]


@pytest.mark.parametrize(("tree", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_a_bad_run_file_is_refused_in_one_sentence(tmp_path: Path, tree: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        read(tmp_path, tree)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "student.epochs",
        "=3",
        "student.epochs=[1",
        "name.x=1",
        "student.nope=1",
        "none.yaml",
        "name=2025-11-31",
        "seed=-1",
        "data.answer=[]",
        r'data.train="a\0"',
    ],
)
def test_a_bad_override_is_refused_in_one_sentence(tmp_path: Path, override: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, PLAIN, override)
    assert "\n" not in str(caught.value)


def test_a_file_of_settings_goes_over_the_run_file_in_the_order_given(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("seed: 4\nstudent: {batch: 3}\n")
    run = read(tmp_path, PLAIN | {"student": {"epochs": 2}}, "student.batch=9", str(file), "seed=5").run
    assert (run.student.epochs, run.student.batch, run.seed) == (2, 3, 5)


def test_a_missing_run_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_run(tmp_path / "none.yaml")


def test_the_defaults_are_a_whole_run() -> None:
    run = Run.model_validate(PLAIN)
    assert (run.select.method, [item.phase for item in run.student.curriculum]) == (
        "stratified",
        ["instruct", "rationales"],
    )
