"""What each selector's choice is worth to a read-out of the assistant: every method at every budget, on yes or no.

Ridge regression of the gold answer on the untuned assistant's state after ``Answer:`` learns from the chosen questions
in milliseconds and is tested on held-out development questions. It is a screen, not a run: the assistant itself
does not change, and learns from answers alone (``selection_tuned.py`` tunes it on rationales).

    [BRIDGE_DATA=folder] python selection_probe.py [--quick] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from bridge_distill.selection.contract import selectors
from cells import Cell
from selection_sets import VARIANTS, Material, Sizes, chosen, prepare
from tables import Values, differences, markdown, row_of

MADE_UP, REAL = "practice-legal", ("fin_headlines",)


def probe(material: Material, cell: Cell) -> list[float]:
    """1 for each development question that the ridge read-out gets right; the penalty by leave-one-out."""
    rows, held_out = chosen(material, cell), material.split[0]
    gold = np.array([1.0 if question.answer == "yes" else -1.0 for question in material.questions])
    kernel = material.states @ material.states[rows].T / material.states.shape[1]
    middle = gold[rows].mean()
    values, vectors = np.linalg.eigh(kernel[rows])
    turned = vectors.T @ (gold[rows] - middle)

    def left_out(penalty: float) -> float:
        weights = vectors @ (turned / (values + penalty))
        inverse = np.einsum("ij,j,ij->i", vectors, 1 / (values + penalty), vectors)
        return float(np.mean((weights / inverse) ** 2))

    penalty = min((0.01, 0.1, 1.0, 10.0, 100.0), key=left_out)
    told = middle + kernel[held_out] @ (vectors @ (turned / (values + penalty)))
    return [float(right) for right in (told >= 0) == (gold[held_out] > 0)]


def seeds_of(material: Material, share: float, method: str) -> Values:
    """Shape (seeds, development questions)."""
    return np.array([probe(material, Cell(material.name, share, method, s)) for s in range(material.sizes.seeds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few made-up questions")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "selection-effect")
    given = parser.parse_args()
    sizes = Sizes(60, 30, 30, (0.1, 0.2), 2) if given.quick else Sizes()
    names = [MADE_UP, *(REAL if "BRIDGE_DATA" in os.environ and not given.quick else ())]
    methods = ["random", *(name for name in selectors.names() if name != "random"), *VARIANTS]
    rows = []
    for name, share in product(names, sizes.shares):
        material = prepare(name, given.work, sizes)
        right = {method: seeds_of(material, share, method) for method in methods}
        over = {method: differences(right[method], right["random"]) for method in methods}
        rows += [row_of((name, share, method), right[method]) | {"over": over[method]} for method in methods]
        print(f"{name} at {share:.0%}", flush=True)
    print(markdown(rows))
    print(json.dumps({"benchmark": "selection_probe", "machine": platform.machine(), "rows": rows}))


if __name__ == "__main__":
    main()
