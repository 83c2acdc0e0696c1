"""Lives of the teach stage: a process that has imported everything forks one child a life, to be killed.

Reads a line of JSON a life from standard input, answers with a line that holds the child's process id
and one that holds its exit status. ``statement`` kills the child just before that SQL statement.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai

from bridge_distill.config import Budget, Teacher
from bridge_distill.teacher import teach
from bridge_distill.teacher.providers import providers


def live(life: dict[str, Any]) -> None:
    """One life: teach, or be killed."""
    if life.get("statement"):
        _die_at_statement(life["statement"])
    root, store = Path(life["root"]), Path(life["store"])
    teacher, budget = Teacher.model_validate(life["teacher"]), Budget.model_validate(life["budget"])
    teach(teacher, budget, life["run"], root / "data", root / "select", store, root / "teach")


def _die_at_statement(number: int) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    left = number

    def count(statement: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        link = connect(*args, **options)
        link.set_trace_callback(count)
        return link

    sqlite3.connect = watched  # type: ignore[assignment]


def main() -> None:
    """Fork one child a line."""
    # Imported here, so that no child need: the providers, and what the SDKs import when they are first used.
    providers.names()
    assert openai.AsyncOpenAI(api_key="unused").chat.completions
    assert anthropic.AsyncAnthropic(api_key="unused").messages.batches
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                live(json.loads(line))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
