"""Processes that help another one with its work, and must not outlive it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from multiprocessing.connection import wait

import psutil


def end_with_parent() -> None:
    """Have this process, and all that it starts, end at once where the one that started it is gone, even killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a process that multiprocessing started has a parent to follow"
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)
