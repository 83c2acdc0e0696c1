"""Ctrl-C while requests are under way: the first one lets them land, the second one gives them up."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def at_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Have the event loop call ``stop`` at the first Ctrl-C; a second one does what the first would have done.

    Off the main thread, and where the process ignores Ctrl-C, nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    loop = asyncio.get_running_loop()

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(stop)

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
