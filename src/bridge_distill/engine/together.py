"""Several processes on one training, as ``accelerate launch`` or ``torchrun`` starts them.

The first one does everything: runs the stages, asks, pays and writes. The others wait until it trains, get a copy of
the task, take their share of every step, and wait again; they need neither keys nor the ledger. Whatever ends the
first process in a failure ends them all.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bridge_distill.errors import UserError

Task = Callable[[], Any]

# Stages that do not train may take days, and a process that waits for them has not failed.
PATIENCE = timedelta(days=365)


def processes() -> int:
    """How many processes train together: one where no launcher has told this process which of them it is."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def sharded() -> bool:
    """Whether each process will hold a part of the weights only (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def check_batch(batch: int, place: str) -> None:
    """Raise ``UserError`` where the processes cannot take equal shares of each step's examples."""
    if batch % processes():
        cure = f"set it to a multiple of {processes()}, or start as many processes as divide it"
        raise UserError(place, f"{batch} examples a step cannot be shared out among {processes()} processes", cure)


def first_of_all(work: Task) -> None:
    """Do ``work`` in the first process, while the others do the tasks that it shares until it is done."""
    if processes() == 1:
        work()
    elif _join() > 0:
        _help()
    else:
        try:
            work()
        except SystemExit as end:
            if end.code:
                raise
        _send(None)


def share(task: Task) -> None:
    """Have every other process, if there are any, do a pickled copy of the task, which this one does beside them."""
    if processes() > 1:
        _send(task)


def _join() -> int:
    """Meet the other processes; returns which one this is."""
    import torch

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cuda:nccl,cpu:gloo" if on_gpu else "gloo", timeout=PATIENCE)
    return torch.distributed.get_rank()


def _help() -> None:
    while (task := _receive()) is not None:
        task()


def _send(task: Task | None) -> None:
    import torch

    packed = io.BytesIO()
    torch.save(task, packed)
    torch.distributed.broadcast_object_list([packed.getvalue()], device=torch.device("cpu"))


def _receive() -> Task | None:
    import torch

    packed: list[Any] = [None]
    try:
        torch.distributed.broadcast_object_list(packed, device=torch.device("cpu"))
    except RuntimeError:  # the first process is gone, and has said why
        raise SystemExit(1) from None
    # It comes from the first process of this very run: no other can join.
    task: Task | None = torch.load(io.BytesIO(packed[0]), map_location=_here, weights_only=False)
    return task


def _here(storage: Any, place: str) -> Any:
    """What lay on the first process's GPU goes to this one's."""
    return storage if place == "cpu" else storage.cuda()
