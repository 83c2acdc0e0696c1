"""Which process reserved an attempt, and whether it is still there to settle it."""

from __future__ import annotations

import os
import socket
from functools import cache

import psutil


@cache
def _me(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time()}"


def me() -> str:
    """This process as host, process id and start time, so that a reused process id is another owner."""
    return _me(os.getpid())


def host_of(owner: str = "") -> str:
    """The host of an owner; this one's without an owner."""
    return owner.partition(" ")[0] or socket.gethostname()


def is_alive(owner: str) -> bool:
    """Whether an owner may still be at work: surely not where its process on this host is gone.

    An owner on another host cannot be seen, and counts as at work until its attempts are reconciled.
    """
    host, _, rest = owner.partition(" ")
    if not rest:
        return False
    if host != socket.gethostname():
        return True
    pid, _, started = rest.partition(" ")
    try:
        process = psutil.Process(int(pid))
        return str(process.create_time()) == started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
