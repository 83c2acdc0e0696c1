"""Which process reserved an attempt, and whether it is still there to settle it."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def _me(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {_started(psutil.Process(pid))}"


def _started(process: psutil.Process) -> str:
    """When a process started, in words that no setting of the clock changes where the system has such (Linux)."""
    if not _BOOT.exists():
        return str(process.create_time())
    # proc_pid_stat(5): the name, in brackets, may hold anything; the start is the 22nd field, in ticks since the boot.
    fields = Path(f"/proc/{process.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return f"{_BOOT.read_text().strip()}:{fields[19]}"


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
        return _started(process) == started and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return False
