"""What each selector's choice is worth to a read-out of the assistant: every method at every budget, on yes or no.

Ridge regression of the gold answer on the untuned assistant's state after ``Answer:`` learns from the chosen questions
in milliseconds and is tested on held-out development questions. It is a screen, not a run: the assistant itself
does not change, and learns from answers alone (``selection_tuned.py`` tunes it on rationales).

    [BRIDGE_DATA=folder] python benchmarks/selection_probe.py [--quick] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.selection.contract import selectors
from shared.selection_sets import VARIANTS, Material, Sizes, chosen, prepare, table

RESULTS = Path(__file__).parent / "results/selection_probe.jsonl"
MADE_UP, REAL = "practice-legal", ("legal_diversity", "fin_headlines", "strategyqa")


def probe(material: Material, method: str, share: float, seed: int) -> list[bool]:
    """Which development questions the ridge read-out gets right; the penalty by leave-one-out on what was chosen."""
    rows, held_out = chosen(material, method, round(share * material.sizes.pool), seed), material.split[0]
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
    return [bool(right) for right in (told >= 0) == (gold[held_out] > 0)]


def probe_all(materials: list[Material]) -> list[dict[str, Any]]:
    """The table of every method and variant at every budget, of each set and of all together."""
    methods = ["random", *(name for name in selectors.names() if name != "random"), *VARIANTS]
    cells = {}
    for material in materials:
        for share in material.sizes.shares:
            for method in methods:
                right = [probe(material, method, share, seed) for seed in range(material.sizes.seeds)]
                cells[material.name, share, method] = np.array(right, dtype=np.float64)
            print(f"probe  {material.name} at {share:.0%}", flush=True)
    for share, method in {(share, method): None for _, share, method in cells}:
        parts = [cells[material.name, share, method] for material in materials]
        cells["all", share, method] = np.concatenate(parts, axis=1)
    return table(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few made-up questions; keeps no results")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "selection-effect")
    given = parser.parse_args()
    sizes = Sizes(60, 30, 30, (0.1, 0.2), 2) if given.quick else Sizes()
    names = [MADE_UP, *(REAL if "BRIDGE_DATA" in os.environ and not given.quick else ())]
    rows = probe_all([prepare(name, given.work, sizes) for name in names])
    if not given.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = [row for row in rows if row["set"] == "all"]
    print(json.dumps({"benchmark": "selection_probe", "machine": platform.machine(), "sets": names, "rows": told}))


if __name__ == "__main__":
    main()
