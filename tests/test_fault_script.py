"""Scripts of faults that a user writes, and the command that serves by one."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import openai
import pytest

from bridge_distill import practice
from bridge_distill.errors import UserError
from bridge_distill.teacher.loopback import Fault, read_script
from bridge_distill.teacher.providers import Request

REQUEST = Request([], 1, None, 0)


def written(folder: Path, text: str) -> Path:
    path = folder / "faults.yaml"
    path.write_text(text)
    return path


def test_a_script_is_the_same_for_its_seed_and_another_for_another(tmp_path: Path) -> None:
    rules = "rules: [{kind: status, status: 429, rate: 0.3}, {kind: reset, billed: true, rate: 0.3}]"

    def kinds(seed: int) -> list[str]:
        script = read_script(written(tmp_path, f"seed: {seed}\n{rules}"))
        faults = [script.fault(number, REQUEST) for number in range(200)]
        return ["" if fault is None else fault.kind for fault in faults]

    assert kinds(1) == kinds(1) != kinds(2)
    assert set(kinds(1)) == {"", "status", "reset"}


def test_rules_say_which_calls_are_hit_and_the_first_that_fits_counts(tmp_path: Path) -> None:
    script = read_script(
        written(
            tmp_path,
            """
            - {kind: reset, billed: true, at: [3, 7]}
            - {kind: hang, seconds: 2, every: 4}
            - {kind: status, status: 500, call: poll, rate: 1}
            - {kind: batch_expired, share: 0.25, at: [1]}
            - {kind: status, status: 429, headers: {Retry-After: 3}, rate: 0}
            """,
        )
    )
    faults = [script.fault(number, REQUEST) for number in range(12)]
    assert {n: fault.kind for n, fault in enumerate(faults) if fault} == {3: "reset", 7: "reset", 11: "hang"}
    assert faults[3] == Fault("reset", billed=True)
    assert script.calls(5, "poll") == Fault("status", 500)
    assert [script.calls(n, "batch") for n in range(3)] == [None, Fault("batch_expired", share=0.25), None]
    assert script.rules[4].fault.headers == {"Retry-After": "3"}
    assert read_script(written(tmp_path, json.dumps([{"kind": "stale"}]))).fault(9, REQUEST) == Fault("stale")


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("[{kind: status}, {kind: rest}]", r"rule 2: unknown kind 'rest'; did you mean 'reset'"),
        ("[{kind: status, stauts: 429}]", r"rule 1: unknown key 'stauts'; did you mean 'status'"),
        ("[{kind: status, status: many}]", r"rule 1, status: .*integer"),
        ("[{kind: status, status: 999}]", r"rule 1, status: .*599"),
        ("[{kind: hang, seconds: -1}]", r"rule 1, seconds"),
        ("[{kind: reset, rate: 1.5}]", r"rule 1, rate: 1.5 is no share"),
        ("[{kind: reset, at: 3}]", r"rule 1, at: 3 is no list"),
        ("[{kind: reset, every: 0}]", r"rule 1, every: 0 is no count"),
        ("[{kind: reset, every: 2, at: [1]}]", r"rule 1: has both at and every"),
        ("[{kind: batch_expired, call: poll}]", r"rule 1: batch_expired cannot befall 'poll'; .*batch"),
        ("[{kind: no_usage, call: batch}]", r"rule 1: no_usage cannot befall 'batch'; .*ask"),
        ("[{kind: reset, call: pool}]", r"rule 1: unknown call 'pool'; did you mean 'poll'"),
        ("[reset]", r"rule 1: is not a rule"),
        ("{kind: reset}", r"holds more than seed and rules"),
        ("{seed: x, rules: []}", r"is no list of rules"),
        ("reset", r"is no list of rules"),
        ("", r"is no list of rules"),
        ("[{", r"is neither YAML nor JSON"),
        ("2024-02-30", r"is neither YAML nor JSON"),
    ],
)
def test_a_bad_script_names_its_rule(tmp_path: Path, text: str, pattern: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=pattern) as caught:
        read_script(path)
    assert str(caught.value).startswith(str(path))


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        read_script(tmp_path / "none.yaml")


def test_the_command_serves_by_a_script_and_tells_its_books(tmp_path: Path) -> None:
    path = written(tmp_path, "- {kind: reset, billed: true, at: [0]}")
    options = ["--port", "0", "--faults", str(path), "--latency-ms", "1"]
    question = practice.make("legal", 1, 5, 0.0)[0].text
    command = [sys.executable, "-m", "bridge_distill", "teacher", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().split()[-1]
        with openai.OpenAI(api_key="any", base_url=url, max_retries=1) as client:
            client.chat.completions.create(model="expert", messages=[{"role": "user", "content": question}])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        books = json.load(opener.open(f"{url.removesuffix('/v1')}/books"))
        serving.terminate()
    assert [(line["number"], line["question"]) for line in books] == [(0, question), (1, question)]


def test_the_command_names_a_bad_rule(tmp_path: Path) -> None:
    path = written(tmp_path, "[{kind: rest}]")
    command = [sys.executable, "-m", "bridge_distill", "teacher", "serve", "--port", "0", "--faults", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"bridge-distill: {path} rule 1: unknown kind 'rest'")
