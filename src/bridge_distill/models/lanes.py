"""Several batches at a time on a CPU: its cores share a few large products out better than many small ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

# Tokens of a batch that one lane should have at least: reading the weights for fewer costs more than it gains.
_LEAST = 2048
# Position embeddings that a network changes as it reads longer texts, and so for every lane.
_CHANGING = {"dynamic", "longrope"}


class StoppedError(Exception):
    """Nobody waits any more for what a lane computes."""


def lanes_of(network: Any, batch_tokens: int, longest: int) -> int:
    """How many batches a model should have under way at a time, ``batch_tokens`` in all: one on a GPU.

    ``longest`` is the number of tokens of the longest row, which may fill a batch.
    """
    import torch

    if network.device.type != "cpu" or _CHANGING & _rope_types(network.config):
        return 1
    return _shared(torch.get_num_threads(), batch_tokens // max(_LEAST, longest))


def _rope_types(config: Any) -> set[Any]:
    """The kinds of position embeddings that a model has, one for each kind of its layers."""
    found = getattr(config, "rope_parameters", None) or {}
    return {each.get("rope_type") for each in (found, *found.values()) if isinstance(each, dict)}


def _shared(threads: int, most: int) -> int:
    """The largest number of lanes, at most ``most``, among which threads are shared out without one left over."""
    return max(lanes for lanes in range(1, max(1, most) + 1) if threads % lanes == 0)


def in_lanes(network: Any, work: Callable[[Job], Result], jobs: Sequence[Job], lanes: int) -> Iterator[Result]:
    """What ``work`` makes of each job, in their order; ``lanes`` of them share this process's threads at a time.

    A result does not depend on what is under way beside it. Where whoever waits for one is interrupted, or gets its
    error, the others end before the network's next pass.
    """
    import torch

    threads = torch.get_num_threads()
    lanes = _shared(threads, min(lanes, len(jobs)))
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
