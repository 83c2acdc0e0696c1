"""Score a model by tasks of lm-evaluation-harness, which is optional; our own verdicts stay the measure of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bridge_distill.config import Compute, Harness
from bridge_distill.errors import UserError, nearest
from bridge_distill.models.load import load

PLACE = "evaluate.harness"
SEED, BOOTSTRAP = 0, 1000


def check_harness(settings: Harness) -> None:
    """Raise ``UserError`` where the library is missing, or knows no task of a name."""
    if not settings.tasks:
        return
    if find_spec("lm_eval") is None:
        cure = "run: pip install 'bridge-distill[harness]'"
        raise UserError(PLACE, "lm-evaluation-harness is not installed", cure)
    if settings.folder is not None and not Path(settings.folder).is_dir():
        raise UserError(f"{PLACE}.folder", f"{settings.folder} is no folder", "give one that holds task files (YAML)")
    known = _tasks(settings).all_tasks
    for task in settings.tasks:
        if task not in known:
            raise UserError(f"{PLACE}.tasks", f"unknown task {task!r}", _near(task, known))


def score_by_harness(settings: Harness, name: str, model: str, compute: Compute) -> dict[str, Any]:
    """Each task's metrics, with standard errors, of a base's name or a model folder; ``name`` is whose it is.

    Figures: ``tasks`` by name, each with its ``metrics`` (their ``value`` and ``error``, the latter None where the
    task has none), ``n`` questions, ``shots`` and ``version``; and the library's version. Raises ``UserError`` where a
    task's data cannot be read.
    """
    from importlib.metadata import version

    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    loaded = load(model, compute, f"evaluate.models ({name})")
    scored = HFLM(pretrained=loaded.network, tokenizer=loaded.tokenizer, batch_size=settings.batch)
    try:
        found = simple_evaluate(
            scored,
            tasks=list(settings.tasks),
            num_fewshot=settings.shots,
            limit=settings.limit,
            log_samples=False,
            bootstrap_iters=BOOTSTRAP,
            task_manager=_tasks(settings),
            random_seed=SEED,
            fewshot_random_seed=SEED,
        )
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            PLACE, f"could not run ({first})", "check the task's name and that its data are there"
        ) from error
    return {"tasks": {task: _figures(task, found) for task in found["results"]}, "version": version("lm-eval")}


def _figures(task: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """One task's part of the library's results, whose keys are such as ``acc,none`` and ``acc_stderr,none``."""
    results = found["results"][task]
    values = {key: value for key, value in results.items() if "," in key and isinstance(value, int | float)}
    metrics = {}
    for key, value in values.items():
        metric, _, chosen = key.partition(",")
        if not metric.endswith("_stderr"):
            label = metric if chosen == "none" else f"{metric} ({chosen})"
            metrics[label] = {"value": value, "error": values.get(f"{metric}_stderr,{chosen}")}
    asked = (found.get("n-samples") or {}).get(task) or {}
    return {
        "metrics": metrics,
        "n": asked.get("effective"),
        "shots": (found.get("n-shot") or {}).get(task),
        "version": (found.get("versions") or {}).get(task),
    }


def _tasks(settings: Harness) -> Any:
    """The tasks that are known: those of the folder alone where it has all that are asked for, for reading the
    library's own, thousands of files, takes many seconds.
    """
    if settings.folder is not None and _found(settings.folder, False).issuperset(settings.tasks):
        return _manager(settings.folder, False)
    return _manager(settings.folder, True)


def _found(folder: str, library: bool) -> set[str]:
    return set(_manager(folder, library).all_subtasks)


@lru_cache
def _manager(folder: str | None, library: bool) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=folder, include_defaults=library)


def _near(task: str, known: Sequence[str]) -> str:
    """The names most like a task's, of thousands."""
    alike = get_close_matches(task, known, n=10)
    return nearest(task, alike) if alike else "lm-eval ls tasks lists them"
