"""Exclusive claims among the processes of one machine: the system takes a claim back when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bridge_distill.errors import UserError

CLAIMS = ".claims"


class Claimed(Exception):  # noqa: N818
    """Another process holds what was to be claimed, and the caller would not wait."""


@contextmanager
def claim(folder: Path, name: str, wait: bool = True) -> Iterator[None]:
    """Hold ``name`` below ``folder`` alone; waits for another holder, or raises ``Claimed`` without ``wait``."""
    import fcntl

    claims = folder / CLAIMS
    claims.mkdir(parents=True, exist_ok=True)
    with (claims / name).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Claimed(name) from None
        yield


@contextmanager
def lock(run: Path) -> Iterator[None]:
    """Hold a run folder for one process; raises ``UserError`` while another does, or where it cannot be written."""
    with ExitStack() as held:
        try:
            held.enter_context(claim(run, "run", wait=False))
        except OSError as error:
            cure = "set runs to a folder that you can write to"
            raise UserError("runs", f"{run} cannot be written ({error.strerror})", cure) from error
        except Claimed:
            cure = "wait for it, or choose another name"
            raise UserError(str(run), "another process is working on this run", cure) from None
        yield
