"""How long to tune an assistant on some tens of rationales: passes over them, at one learning rate.

Questions are chosen at random, all weights are tuned, and development questions test what the assistant writes, as in
``selection_tuned.py``. Cells in the results already are not computed again, so that a stopped experiment goes on.

    [BRIDGE_DATA=folder] python recipes.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import experiment
from bridge_distill.config import Assistant
from cells import Cell, cells
from selection_sets import Sizes, chosen, prepare
from selection_tuned import Lesson, tested, tune

SEEDS = (1, 2, 4, 0, 3)
SHORT = "5 epochs"
RECIPES = {SHORT: Assistant(epochs=5), "10 epochs": Assistant(epochs=10), "20 epochs": Assistant(epochs=20)}
PLAN = [("practice-legal", 0.05), ("legal_diversity", 0.05)]


def study(quick: bool, work: Path) -> experiment.Study:
    known = [(name, share) for name, share in PLAN if name.startswith("practice") or "BRIDGE_DATA" in os.environ]
    todo, sizes, lesson, recipes = cells(known, SEEDS, list(RECIPES)), Sizes(), Lesson(), RECIPES
    if quick:
        sizes, lesson = Sizes(30, 10, 16), Lesson(tested=4, tokens=24)
        recipes = {SHORT: Assistant(epochs=1), "2 epochs": Assistant(epochs=2)}
        todo = cells([("practice-legal", 0.2)], [0], list(recipes))
    find = cache(lambda name: prepare(name, work, sizes))

    def measure(cell: Cell) -> dict[str, Any]:
        material, how = find(cell.set), replace(lesson, assistant=recipes[cell.method])
        rows = chosen(material, replace(cell, method="random"))
        model, _ = tune(material, rows, cell.seed, how, cell.label)
        return {"values": tested(model, material, how)}

    return experiment.Study(todo, measure, {"method": SHORT})


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "selection-effect", study)
