"""Stages run once, resume, refuse changed settings, and are rebuilt only where asked."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_distill.engine.claims import lock
from bridge_distill.engine.fingerprint import canonical, differences, fingerprint
from bridge_distill.engine.stage import RECORD, Bench, Runner, Stage, read_record, write_json
from bridge_distill.errors import UserError
from bridge_distill.report.folder import read_json, write_text

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Recorder:
    """Makes stages that note their own runs."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def stage(self, name: str, settings: dict[str, Any], inputs: tuple[str, ...] = (), text: str = "") -> Stage:
        def work(at: Bench) -> dict[str, Any]:
            self.ran.append(name)
            (at.folder / "out.txt").write_text(text or name)
            return {"ran": len(self.ran)}

        return Stage(name, settings, inputs, work)


def run(
    folder: Path, plan: list[Stage], rebuild: tuple[str, ...] = (), shared: dict[str, Path] | None = None
) -> dict[str, Path]:
    runner, made = Runner(folder, rebuild, seed=0), {}
    for stage in plan:
        made[stage.name] = runner.do(stage, folder, made, shared or {})
    runner.end()
    return made


def test_a_finished_stage_is_skipped_and_a_changed_one_refused_with_the_field(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path / "r", [recorder.stage("a", {"n": 1}), recorder.stage("b", {"m": 1}, ("a",))])
    run(tmp_path / "r", [recorder.stage("a", {"n": 1}), recorder.stage("b", {"m": 1}, ("a",))])
    assert recorder.ran == ["a", "b"]
    with pytest.raises(UserError, match=r"r/b: .*m was 1, now 2.*--rebuild b"):
        run(tmp_path / "r", [recorder.stage("a", {"n": 1}), recorder.stage("b", {"m": 2}, ("a",))])


def test_rebuild_remakes_the_stage_and_only_what_its_new_output_changes(tmp_path: Path) -> None:
    recorder = Recorder()

    def plan(text: str) -> list[Stage]:
        a = recorder.stage("a", {}, text=text)
        return [a, recorder.stage("b", {}, ("a",)), recorder.stage("c", {})]

    run(tmp_path / "r", plan("one"))
    run(tmp_path / "r", plan("one"), rebuild=("a",))
    assert recorder.ran == ["a", "b", "c", "a"], "the same output again leaves the later stages alone"
    run(tmp_path / "r", plan("two"), rebuild=("a",))
    assert recorder.ran[4:] == ["a", "b"]


def test_a_killed_stage_keeps_its_scratch_for_the_same_settings_only(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def dies(at: Bench) -> dict[str, Any]:
        seen.append(sorted(path.name for path in at.scratch.iterdir()))
        (at.scratch / f"shard-{len(seen)}").touch()
        if len(seen) < 4:
            raise KeyboardInterrupt
        return {}

    for settings in ({"n": 1}, {"n": 1}, {"n": 2}):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "r", [Stage("a", settings, (), dies)])
    run(tmp_path / "r", [Stage("a", {"n": 2}, (), dies)])
    assert seen == [[], ["shard-1"], [], ["shard-3"]]
    assert sorted(path.name for path in (tmp_path / "r/a").iterdir()) == [RECORD]


def _plan(setting: int, dying: str = "") -> list[Stage]:
    """Stages a, b and then c and d, which both come from b; one kills its process."""

    def stage(name: str, *inputs: str) -> Stage:
        def work(at: Bench) -> dict[str, Any]:
            if name == dying:
                os.kill(os.getpid(), signal.SIGKILL)
            (at.folder / "out.txt").write_text(f"{name} of {setting}")
            return {}

        return Stage(name, {"n": setting} if name == "a" else {}, inputs, work)

    return [stage("a"), stage("b", "a"), stage("c", "b"), stage("d", "b")]


def _rebuilds(folder: Path, dying: str) -> None:
    run(folder, _plan(2, dying), rebuild=("a",))


@pytest.mark.parametrize("dying", ["a", "b", "c", "d"])
def test_a_rebuild_that_was_killed_goes_on_with_the_same_command(tmp_path: Path, dying: str) -> None:
    run(tmp_path / "r", _plan(1))
    life = multiprocessing.get_context("spawn").Process(target=_rebuilds, args=(tmp_path / "r", dying))
    life.start()
    life.join()
    assert life.exitcode == -signal.SIGKILL
    made = run(tmp_path / "r", _plan(2), rebuild=("a",))
    assert [(made[name] / "out.txt").read_text() for name in "abcd"] == [f"{name} of 2" for name in "abcd"]


def test_what_a_command_that_has_ended_made_anew_makes_nothing_else_anew(tmp_path: Path) -> None:
    run(tmp_path / "r", _plan(1))
    run(tmp_path / "r", _plan(2)[:2], rebuild=("a",))
    with pytest.raises(UserError, match=r"r/c: .*the output of b has changed.*--rebuild c"):
        run(tmp_path / "r", _plan(2))


def _dies_after(folder: Path, seconds: float) -> None:
    """A process whose stage writes a file some seconds after it began, by the file's date, and is killed."""

    def dies(at: Bench) -> dict[str, Any]:
        began = (at.folder / ".pending.json").stat().st_mtime
        (at.scratch / "shard").touch()
        os.utime(at.scratch / "shard", (began + seconds, began + seconds))
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    run(folder, [Stage("a", {}, (), dies)])


def test_a_stage_that_was_killed_counts_the_seconds_of_all_its_lives(tmp_path: Path) -> None:
    for seconds in (20_000, 10_000):
        life = multiprocessing.get_context("spawn").Process(target=_dies_after, args=(tmp_path / "r", seconds))
        life.start()
        life.join()
        assert life.exitcode == -signal.SIGKILL
    made = run(tmp_path / "r", [Recorder().stage("a", {})])
    assert 29_999 < read_record(made["a"])["seconds"] < 40_000
    again = run(tmp_path / "r", [Recorder().stage("a", {})], rebuild=("a",))
    assert read_record(again["a"])["seconds"] < 20_000, "what is made anew owes nothing to what it replaces"


def test_an_arm_shares_the_stages_that_it_does_not_change(tmp_path: Path) -> None:
    recorder = Recorder()
    base = run(tmp_path / "r", [recorder.stage("a", {}), recorder.stage("b", {"m": 1}, ("a",))])
    plan = [recorder.stage("a", {}), recorder.stage("b", {"m": 2}, ("a",))]
    runner, made = Runner(tmp_path / "r", (), 0), {}
    for stage in plan:
        made[stage.name] = runner.do(stage, tmp_path / "r/arms/x", made, base)
    assert made == {"a": tmp_path / "r/a", "b": tmp_path / "r/arms/x/b"}
    assert recorder.ran == ["a", "b", "b"]


def test_a_damaged_record_names_the_file_and_the_cure(tmp_path: Path) -> None:
    run(tmp_path / "r", [Recorder().stage("a", {})])
    (tmp_path / "r/a" / RECORD).write_text("{")
    with pytest.raises(UserError, match=r"record\.json: cannot be read .*delete"):
        run(tmp_path / "r", [Recorder().stage("a", {})])


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    with lock(tmp_path / "r"), pytest.raises(UserError, match="another process"), lock(tmp_path / "r"):
        pass


def _write_often(folder: Path) -> None:
    for number in range(150):
        write_json(folder / "study.json", {"cells": [number] * 500})
        write_text(folder / "report.html", "whole\n" * 20_000)


def test_processes_that_write_one_file_at_once_all_end_well_and_leave_it_whole(tmp_path: Path) -> None:
    writers = [multiprocessing.Process(target=_write_often, args=(tmp_path,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(read_json(tmp_path / "study.json")["cells"]) == 500
    assert (tmp_path / "report.html").read_text() == "whole\n" * 20_000
    assert {path.name for path in tmp_path.iterdir()} == {"study.json", "report.html"}


def test_the_record_says_what_was_made_from_what(tmp_path: Path) -> None:
    made = run(tmp_path / "r", [Recorder().stage("a", {"n": 1}), Recorder().stage("b", {}, ("a",))])
    record = read_record(made["b"])
    assert record["inputs"] == {"a": read_record(made["a"])["digest"]}
    assert record["figures"] == {"ran": 1}
    assert record["peak_memory_bytes"] > 1_000_000
    assert {"torch", "transformers", "python"} <= set(record["versions"])


def test_the_fingerprint_is_pinned() -> None:
    """A change here means that every finished run stops matching: raise fingerprint.VERSION on purpose."""
    assert fingerprint("select", {"method": "bridge", "k": 3}, {"data": "d"}) == PINNED


PINNED = "0d346a163a52645c44f63690e05f2a1684b7dfe8ae665c987bbce4ac2b493128"


@given(json_values)
def test_canonical_text_ignores_key_order_and_round_trips(value: Any) -> None:
    def reversed_keys(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: reversed_keys(item[key]) for key in reversed(list(item))}
        return [reversed_keys(x) for x in item] if isinstance(item, list) else item

    assert canonical(value) == canonical(reversed_keys(value))
    assert json.loads(canonical(value)) == value


@given(json_values, json_values)
def test_differences_are_empty_exactly_for_equal_values(left: Any, right: Any) -> None:
    assert differences(left, left) == []
    if isinstance(left, dict) and isinstance(right, dict):
        absent_is_null = {k: v for k, v in left.items() if v is not None} == {
            k: v for k, v in right.items() if v is not None
        }
        assert bool(differences(left, right)) or absent_is_null or left == right


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, Path("a")])
def test_a_value_that_could_differ_between_runs_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        fingerprint("a", {"value": value}, {})


def test_a_full_disk_is_named_whatever_the_library_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(at: Bench) -> dict[str, Any]:
        raise RuntimeError("basic_ios::clear: iostream error")

    with pytest.raises(RuntimeError, match="basic_ios"):
        run(tmp_path / "r", [Stage("a", {}, (), fails)])
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("bridge_distill.engine.stage.shutil.disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="the disk has only 1 MB left; free some space"):
        run(tmp_path / "r", [Stage("a", {}, (), fails)])
