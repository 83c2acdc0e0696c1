"""A run that takes seconds, and the command line to run it with."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

COMMAND = [sys.executable, "-m", "bridge_distill"]


def tree(base: Path, **changes: Any) -> dict[str, Any]:
    """A run that takes seconds: in-process expert, a few steps of a tiny base."""
    made: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "data": {"train": "practice:legal?n=40&seed=1&difficulty=0", "test": "practice:legal?n=12&seed=2&difficulty=0"},
        "budget": {"queries": "20%", "usd": "0.01"},
        "score": {"draft_tokens": 4},
        "teacher": {"provider": "expert", "prices": {"expert": {"input": 1, "output": 2}}},
        "assistant": {"base": str(base), "epochs": 3, "learning_rate": 5e-3, "save_steps": 2},
        "tutor": {"filters": ["finished", "answer", "repetition", "length"], "max_new_tokens": 60, "shard": 8},
        "student": {
            "base": str(base),
            "shrink": {"layers": 2, "vocabulary": "task", "common_tokens": 50},
            "steps": 8,
            "batch": 2,
            "save_steps": 2,
        },
        "evaluate": {"max_new_tokens": 60},
        "arms": {"direct": {"assistant": None, "tutor": None}},
    }
    return made | changes


def write(folder: Path, made: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(made))
    return path


def command(*words: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)


def killed(moments: Iterable[tuple[str, float]], *words: Any) -> int:
    """Start a command once for each moment and kill it some seconds after a stage (any, for "") says that it works.

    Returns how many of them were still running.
    """
    kills = 0
    for stage, seconds in moments:
        child = subprocess.Popen(
            [*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert child.stderr is not None
        if any(f"{stage}: working" in line for line in child.stderr):
            time.sleep(seconds)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.communicate()
    return kills
