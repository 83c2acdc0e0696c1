"""A canary key, through a whole paid run and every command that shows it: found in no file and no output."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from bridge_distill import practice
from bridge_distill.teacher import serve
from bridge_distill.teacher.loopback import Fault
from bridge_distill.teacher.providers import Answer, Request
from classroom import CANARY, KEY_ENV

COMMAND = [sys.executable, "-m", "bridge_distill"]


def echo(request: Request) -> Answer:
    """An expert that repeats the key it was sent."""
    text = practice.solve(request.messages[-1]["content"], 0, False) or "Answer: yes"
    return Answer(f"My key is {CANARY}. {text}", "stop", 50, 40)


def run_file(folder: Path, base: Path, url: str) -> Path:
    tree: dict[str, Any] = {
        "name": "secret",
        "data": {"train": "practice:legal?n=30&seed=1", "test": "practice:legal?n=8&seed=2"},
        "budget": {"queries": 8, "usd": "0.5"},
        "score": {"base": str(base), "draft_tokens": 2},
        "teacher": {
            "model": "m",
            "base_url": url,
            "key_env": KEY_ENV,
            "prices": {"m": {"input": 1, "output": 2}},
            "attempts": 1,
            "concurrency": 1,
        },
        "student": {"base": str(base), "steps": 2},
        "assistant": None,
        "tutor": None,
        "evaluate": {"models": ["student"]},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_the_key_is_in_no_file_and_no_output_of_a_run(tiny_base: Path, tmp_path: Path) -> None:
    said, faults = [], {2: Fault("status", 400, message=f"bad key {CANARY}"), 4: Fault("garbage"), 5: Fault("html")}
    with serve(echo, key=CANARY, fault=lambda number, request: faults.get(number)) as server:
        path = run_file(tmp_path, tiny_base, server.base_url)
        store = tmp_path / "runs" / "replies.sqlite"
        for words in (
            ["plan", path],
            ["run", path, "--until", "teach"],
            ["ledger", "show", path],
            ["ledger", "export", path, "--out", tmp_path / "ledger.csv"],
            ["replies", "export", store, "--out", tmp_path / "replies.jsonl"],
            ["ledger", "reconcile", path, "--accept-rest"],
            ["status", tmp_path / "runs" / "secret"],
            ["report", tmp_path / "runs" / "secret"],
        ):
            done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout + done.stderr)
    assert len(server.books) >= 5
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    names = {file.name for file in written}
    assert {"report.html", "run.json", "replies.sqlite", "replies.jsonl", "ledger.csv"} <= names
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]
    assert CANARY not in "".join(said)
    assert "[key]" in (tmp_path / "replies.jsonl").read_text()
