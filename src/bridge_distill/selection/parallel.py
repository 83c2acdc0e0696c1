"""Work on blocks of rows with several threads, to the same bits with any number of them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def usable_threads() -> int:
    """``OMP_NUM_THREADS`` where it is set, else the cores that this process may use."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdigit() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Call ``work`` on every item, where matrix products run on one thread.

    Work that writes to rows of its own, and to no others, gives the same bits with any number of threads.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        if threads == 1:
            for item in items:
                work(item)
            return
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, items):
                pass


@functools.cache
def _libraries() -> Any:
    """The loaded libraries of matrix products: looking for them takes longer than many a product."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices that cut ``n`` rows into blocks of ``size``."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
