"""Trackers that a run tells of its trainings and its figures: those that ``compute.report_to`` names, else none.

They are transformers' own integrations, so each is set up by the environment variables that its users know. Trainings
of a run are told one by one while they go on, the stages' figures together at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from bridge_distill.engine.stage import read_record
from bridge_distill.errors import UserError

FIGURES = "figures"
# What the libraries would tell their makers about their use.
_SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "GRADIO_ANALYTICS_ENABLED": "False"}


@dataclass(frozen=True)
class Tracking:
    """Who is told of a run, and of what now; ``folder`` is the run's, where TensorBoard's files go."""

    trackers: Sequence[str]
    run: str
    folder: Path
    label: str = ""


_current: Tracking | None = None


def check_trackers(names: Sequence[str]) -> None:
    """Raise ``UserError`` for a tracker whose library is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise UserError("compute.report_to", f"{name} is not installed", f"run: pip install {name}")


@contextmanager
def tracking(names: Sequence[str], run: str, folder: Path) -> Iterator[None]:
    """Tell these trackers of the work within; what they print goes to standard error."""
    global _current
    if not names:
        yield
        return
    projects = {"WANDB_PROJECT": run, "MLFLOW_EXPERIMENT_NAME": run}
    before = _current
    with redirect_stdout(sys.stderr), _unless_set({**projects, **_SILENT}):
        _current = Tracking(names, run, folder)
        try:
            yield
        finally:
            _current = before


def arguments() -> dict[str, Any]:
    """What a trainer's settings say of the training under way; nothing where nobody is told."""
    return {} if _current is None else {"run_name": f"{_current.run}: {_current.label}", "project": _current.run}


@contextmanager
def told(label: str, place: Path) -> Iterator[list[Any]]:
    """Callbacks for one trainer, which tell of what is called ``label`` and lies at ``place``, in a stage or below."""
    global _current
    before = _current
    if before is None:
        yield []
        return
    _current = replace(before, label=_name(label, place, before.folder))
    try:
        yield [_callback(name, before.folder / "tensorboard" / _current.label) for name in before.trackers]
    finally:
        _current = before
        if "wandb" in before.trackers:  # its integration leaves the run open for the next training
            import wandb

            wandb.finish()


def tell_figures(stages: Mapping[str, Path]) -> None:
    """Tell the trackers every number in the records of these stages, by the stage's name."""
    if _current is None:
        return
    from transformers import TrainerControl, TrainerState, TrainingArguments

    found = {name: read_record(folder)["figures"] for name, folder in stages.items()}
    logs = {f"eval_{key}": value for key, value in _numbers(found, "")}
    folder, state, control = _current.folder, TrainerState(), TrainerControl()
    with told(FIGURES, folder) as callbacks:
        settings = TrainingArguments(str(folder), report_to="none", use_cpu=True, **arguments())
        for callback in callbacks:
            callback.on_train_begin(settings, state, control)
            callback.on_log(settings, state, control, logs=dict(logs))
            callback.on_train_end(settings, state, control)


def _name(label: str, place: Path, run: Path) -> str:
    """The stage that a place of a run belongs to, which tells the trainings of arms apart, and the label."""
    inside = place.relative_to(run).parts if place.is_relative_to(run) else ()
    stage = "-".join(takewhile(lambda part: not part.startswith("."), inside))
    return f"{stage}, {label}" if stage else label


def _callback(name: str, folder: Path) -> Any:
    from transformers import integrations

    known: Any = integrations
    if name != "tensorboard":
        return known.get_reporting_integration_callbacks([name])[0]()
    from torch.utils.tensorboard import SummaryWriter

    return known.TensorBoardCallback(SummaryWriter(str(folder)))


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """The numbers of a tree of figures by path; money, which records hold as exact text, is one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{name}/{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value
    elif isinstance(value, str) and name.endswith("/usd"):
        yield name, float(value)


@contextmanager
def _unless_set(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that have no value yet, for as long as this lasts."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
