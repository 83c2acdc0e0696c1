"""Exclusive claims among the processes of one machine: the system takes a claim back when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
