"""What each adapter makes of the same few rationales: accuracy, seconds of tuning, megabytes of what is tuned.

Every adapter is tuned at several learning rates, since no rate suits all: compare each at its best. ``lora`` trains
about as many weights at rank 1 as ``reasoning-sparse`` does, and ten times as many at rank 11. A cell takes
minutes; those in the results already are not computed again, so that a stopped experiment goes on.

    python adapters.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import experiment
from bases import shallow
from bridge_distill import artifacts
from bridge_distill.config import Adapter, Assistant
from bridge_distill.models.load import Model
from cells import Cell, cells
from selection_sets import Material, Sizes, chosen, prepare
from selection_tuned import Lesson, tested, tune

SEEDS = range(3)
PLAN = [("practice-legal", 0.05), ("practice-legal", 0.10)]
ADAPTERS = {
    "full": Adapter(),
    "lora-1": Adapter(kind="lora", options={"rank": 1}),
    "lora-11": Adapter(kind="lora", options={"rank": 11}),
    "rslora-11": Adapter(kind="lora", options={"rank": 11, "rslora": True}),
    "dora-11": Adapter(kind="lora", options={"rank": 11, "dora": True}),
    "sparse": Adapter(kind="reasoning-sparse", options={"method": "sparse"}),
    "ranks": Adapter(kind="reasoning-sparse", options={"method": "ranks"}),
}
RATES = {"full": (5e-5, 1e-4, 2e-4)}
OTHER_RATES = (3e-4, 1e-3, 3e-3)
METHODS = [f"{name} at {rate:g}" for name in ADAPTERS for rate in RATES.get(name, OTHER_RATES)]
AGAINST = "full at 0.0001"


def measured(material: Material, cell: Cell, lesson: Lesson) -> dict[str, Any]:
    """The cell's answers, right or wrong, and what tuning took; all adapters of a seed learn from the same rows."""
    name, _, rate = cell.method.partition(" at ")
    settings = replace(
        lesson,
        assistant=lesson.assistant.model_copy(update={"adapter": ADAPTERS[name], "learning_rate": float(rate)}),
    )
    rows = chosen(material, replace(cell, method="random"))
    started = time.monotonic()
    model, trained = tune(material, rows, cell.seed, settings, cell.method)
    figures = {
        "tuning_seconds": round(time.monotonic() - started),
        "trained": trained.trained_parameters,
        "megabytes": megabytes(model),
        "last_loss": round(trained.losses[-1][1], 4),
    }
    return figures | {"values": tested(model, material, settings)}


def megabytes(model: Model) -> float:
    """Size on disk of what is tuned, in MB (10^6 bytes): the adapter with its places, or the whole model."""
    with tempfile.TemporaryDirectory() as folder:
        # Embeddings, which PEFT would add to an adapter because the vocabulary is cut, are not tuned.
        extra = {"save_embedding_layers": False} if hasattr(model.network, "peft_config") else {}
        model.network.save_pretrained(folder, **extra)
        return artifacts.megabytes(Path(folder))


def study(quick: bool, work: Path) -> experiment.Study:
    todo, sizes, lesson = cells(PLAN, SEEDS, METHODS), Sizes(), Lesson()
    if quick:
        sizes, lesson = Sizes(30, 10, 16, base=shallow(work, 4)), Lesson(Assistant(epochs=1), 4, 16)
        todo = cells([("practice-legal", 0.15)], [0], [AGAINST, "sparse at 0.001", "ranks at 0.001"])
    find = cache(lambda name: prepare(name, work, sizes))

    def measure(cell: Cell) -> dict[str, Any]:
        return measured(find(cell.set), cell, lesson)

    figures = ("tuning_seconds", "trained", "megabytes", "last_loss")
    return experiment.Study(todo, measure, {"method": AGAINST}, figures=figures)


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "selection-effect", study)
