"""A process of its own that reads and compares mathematics, so that what would take for ever there can be ended here.

math-verify bounds its time by signals, which work in a process's main thread only, and not while one long
multiplication goes on; its memory is not bounded at all. This process bounds both, whatever thread asks.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from bridge_distill.errors import UserError

SECONDS = 5
# On top of its own bound: starting, and what signals cannot end.
GRACE, START = 5, 120
MEMORY = 4 << 30


class Mathematician:
    """One such process, started when first asked, and anew once it had to be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, request: Sequence[str]) -> bool:
        """``read``, text: whether it holds mathematics. ``agree``, gold, answer: whether they are equal.

        False where that takes too long, or too much memory. Raises ``UserError`` where the process does not start.
        """
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(OSError):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                told = _line(process.stdout, 2 * SECONDS + GRACE)
                if told:
                    return bool(json.loads(told))
            self._end(process)
            return False

    def _started(self) -> subprocess.Popen[bytes]:
        # After a fork the process is the parent's: two that ask it at once would read each other's replies.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
            self._owner = os.getpid()
            assert self._process.stdout is not None
            if not _line(self._process.stdout, START):  # it says when it is ready
                self._end(self._process)
                cure = "see what python -m bridge_distill.answers.mathematician says, and run again"
                raise UserError("data.answer", "math-verify does not start", cure)
        return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self._process = None


def _line(stream: IO[bytes], seconds: float) -> bytes:
    """The next line, or nothing where none comes in time."""
    ends, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(ends - time.monotonic(), 0))
        part = os.read(stream.fileno(), 64) if ready else b""
        if not part:
            return b""
        line += part
    return line


def _work() -> None:
    """Answer one request a line until standard input ends."""
    import logging
    import resource

    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    read_as = [LatexExtractionConfig()]

    def read(text: str) -> list[object]:
        # Plain expressions are read as LaTeX too: the library's other reader evaluates text as Python.
        return list(parse(text, read_as, fallback_mode="no_fallback", parsing_timeout=SECONDS))

    print("true", flush=True)
    for line in sys.stdin:
        task, *texts = json.loads(line)
        try:
            found = [read(text) for text in texts]
            agreed = all(found) and (task == "read" or verify(*found, timeout_seconds=SECONDS))
        except Exception:  # what it cannot do is not an answer that agrees
            agreed = False
        print(json.dumps(bool(agreed)), flush=True)


if __name__ == "__main__":
    _work()
