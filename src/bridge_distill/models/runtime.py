"""Where models run: device, threads, seeds, and libraries that keep quiet."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

from bridge_distill.config import Compute
from bridge_distill.errors import UserError


def quiet() -> None:
    """Silence the libraries' own progress bars and notices; ours speak for the whole program."""
    import datasets
    import transformers

    notices: Any = transformers.utils.logging
    notices.set_verbosity_error()
    notices.disable_progress_bar()
    datasets.disable_progress_bars()
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def device_of(compute: Compute) -> Any:
    """The torch device: a GPU where there is one and ``compute.device`` is ``auto``."""
    import torch

    if compute.threads is not None:
        torch.set_num_threads(compute.threads)
    if compute.device != "auto":
        return torch.device(compute.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def check_device(compute: Compute) -> None:
    """Raise ``UserError`` for a device that does not exist, or not on this machine."""
    if compute.device in ("auto", "cpu"):
        return
    import torch

    try:
        torch.empty(1, device=compute.device).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        problem = f"cannot use {compute.device!r} ({str(error).strip().splitlines()[0][:200]})"
        cure = "set auto, cpu, or what this machine has, such as cuda or cuda:1"
        raise UserError("compute.device", problem, cure) from error


def precision(device: Any, trained: bool) -> Any:
    """The torch dtype of weights: bfloat16 on a GPU, where they are only read.

    Weights that are trained are float32 everywhere: a step is less than half of what bfloat16 tells apart in most of
    them, and would be rounded away. Their products on a GPU are bfloat16 all the same (autocast).
    """
    import torch

    return torch.float32 if trained or device.type == "cpu" else torch.bfloat16


def set_seed(seed: int) -> None:
    """Seed every generator that a training or sampling step draws from."""
    import transformers

    transformers.set_seed(seed)


def gemm_rate() -> float:
    """Operations a second of 1024 x 1024 float32 products on this CPU, the best of some short rounds measured now.

    In processor time of this thread: what else the machine is busy with does not make it seem slow. By NumPy, whose
    rate was within a tenth of torch's here and which loads in a tenth of the time.
    """
    import numpy as np

    left = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    right = left.copy()
    left @ right

    def seconds() -> float:
        started = time.thread_time()
        left @ right
        return time.thread_time() - started

    return 2 * 1024**3 / min(seconds() for _ in range(20))
