"""What each adapter makes of the same few rationales: accuracy, seconds of tuning, megabytes of what is tuned.

Every adapter is tuned at several learning rates, since no rate suits all: compare each at its best. ``lora`` trains
about as many weights at rank 1 as ``reasoning-sparse`` does, and ten times as many at rank 11. A cell takes
minutes; those in the results already are not computed again, so that a stopped experiment goes on.

    python adapters.py [--quick] [--minutes N] [--worker 1/2] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.config import Adapter, Assistant
from bridge_distill.models.load import Model
from cells import Cell, cells, compute, read_cells, table
from selection_sets import Material, Sizes, chosen, prepare
from selection_tuned import Lesson, tested, tune

RESULTS = Path(__file__).parents[1] / "results/adapters.jsonl"
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
        return round(sum(path.stat().st_size for path in Path(folder).glob("*.safetensors")) / 1e6, 2)


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The table, with each method's mean figures."""
    found = read_cells(file)
    rows = []
    for row in table(file, AGAINST):
        same = [cell for cell in found if row.items() >= {key: cell[key] for key in ("set", "share", "method")}.items()]
        names = ("tuning_seconds", "trained", "megabytes", "last_loss")
        rows.append(row | {name: round(float(np.mean([cell[name] for cell in same])), 4) for name in names})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short lesson for each adapter; keeps no results")
    parser.add_argument("--minutes", type=float, default=240, metavar="N")
    parser.add_argument("--worker", default="1/1", help="which share of the cells, such as 1/2 and 2/2")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "selection-effect")
    given = parser.parse_args()
    todo, sizes, lesson, file = cells(PLAN, SEEDS, METHODS), Sizes(), Lesson(), RESULTS
    if given.quick:
        file = Path(tempfile.mkdtemp()) / RESULTS.name
        sizes, lesson = Sizes(60, 30, 30), Lesson(Assistant(epochs=1), 4, 32)
        todo = cells([("practice-legal", 0.15)], [0], [AGAINST, "lora-1 at 0.001", "sparse at 0.001", "ranks at 0.001"])
    number, _, workers = given.worker.partition("/")
    file.parent.mkdir(exist_ok=True)
    find = cache(lambda name: prepare(name, given.work, sizes))

    def measure(cell: Cell) -> dict[str, Any]:
        return measured(find(cell.set), cell, lesson)

    compute(islice(todo, int(number) - 1, None, int(workers)), measure, given.minutes, file)
    print(json.dumps({"benchmark": "adapters", "machine": platform.machine(), "rows": rows_of(file)}))


if __name__ == "__main__":
    main()
