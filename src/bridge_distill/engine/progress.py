"""Progress on long work: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

LINE_SECONDS = 10.0


class Tick(Protocol):
    """Called with the number of units finished since the last call."""

    def __call__(self, done: int = 1) -> None:
        """Count ``done`` more units as finished."""


def unseen(done: int = 1) -> None:
    """Progress of work that is too short, or part of longer work, to be shown."""


def say(line: str) -> None:
    """Tell the person at the terminal; standard output stays free for what a machine reads."""
    # In one piece: several processes may write to one terminal.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def tell_cut_off(cut: int, written: int, place: str, limit: int) -> None:
    """Say so where a limit on tokens, the setting at ``place``, cut off more than one text in fifty."""
    if 50 * cut > written:
        say(f"{place}: {limit} tokens cut off {cut} of {written} texts; a higher limit would let them end")


@contextmanager
def progress(label: str, total: int) -> Iterator[Tick]:
    """Show progress of ``total`` units on standard error; yields the function that advances it."""
    if sys.stderr.isatty():
        with _bar(label, total) as tick:
            yield tick
    else:
        yield _lines(label, total)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done=1: bar.advance(task, done)


def _lines(label: str, total: int) -> Tick:
    started = last = time.monotonic()
    finished = 0

    def tick(done: int = 1) -> None:
        nonlocal last, finished
        finished += done
        now = time.monotonic()
        if now - last < LINE_SECONDS and finished < total:
            return
        last = now
        left = (now - started) / max(finished, 1) * (total - finished)
        say(f"{label}: {finished}/{total}, {now - started:.0f} s, about {left:.0f} s left")

    return tick
