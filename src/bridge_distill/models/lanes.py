"""Several batches at a time on a CPU: its cores share a few large products out better than many small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

# Tokens of a batch below which more lanes gain nothing.
_LEAST = 2048


class StoppedError(Exception):
    """Nobody waits any more for what a lane computes."""


def lanes_of(network: Any, batch_tokens: int) -> int:
    """How many batches a model should have under way at a time, ``batch_tokens`` in all: one on a GPU."""
    import torch

    return max(1, min(torch.get_num_threads(), batch_tokens // _LEAST)) if network.device.type == "cpu" else 1


def in_lanes(network: Any, work: Callable[[Job], Result], jobs: Sequence[Job], lanes: int) -> Iterator[Result]:
    """What ``work`` makes of each job, in their order; ``lanes`` of them share this process's threads at a time.

    A result does not depend on what is under way beside it. Where whoever waits for one is interrupted, or gets its
    error, the others end before the network's next pass.
    """
    import torch

    threads, lanes = torch.get_num_threads(), min(lanes, len(jobs))
    if lanes < 2:
        yield from map(work, jobs)
        return
    stopped = Event()

    def one(job: Job) -> Result:
        torch.set_num_threads(threads // lanes)  # of this lane alone
        return work(job)

    def check(*_: Any) -> None:
        if stopped.is_set():
            raise StoppedError

    watch, executor = network.register_forward_pre_hook(check), ThreadPoolExecutor(lanes)
    try:
        yield from executor.map(one, jobs)
    finally:
        stopped.set()
        executor.shutdown(cancel_futures=True)
        watch.remove()
        torch.set_num_threads(threads)  # a lane's number is the matrix library's for the whole process
