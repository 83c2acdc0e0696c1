"""What each selector's choice is worth to the assistant that is tuned on the expert's rationales for it.

All weights are tuned as a run does it, and tested by what the assistant writes to held-out development questions. A
cell takes minutes, so cells are computed in the order of a plan for as long as asked; those in the results
already are not computed again, so that a stopped experiment goes on.

    [BRIDGE_DATA=folder] python benchmarks/selection_tuned.py [--quick] [--minutes N] [--worker 1/2] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill import practice, prompts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Assistant, Compute
from bridge_distill.models.generate import Decoding, generate
from bridge_distill.models.load import cut, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.train import Example, Training, fine_tune
from bridge_distill.records import Question
from shared.selection_sets import BASE, Material, Sizes, chosen, prepare, table

RESULTS = Path(__file__).parent / "results/selection_tuned.jsonl"
SEEDS = range(5)
METHODS = ("random", "bridge", "max_herding", "k_means", "typical")
PLAN = [(name, share) for share in (0.05, 0.02, 0.10) for name in ("practice-legal", "legal_diversity")]


@dataclass(frozen=True)
class Lesson:
    """How an assistant is tuned, how many questions test it, and the most tokens that it writes to one."""

    assistant: Assistant = field(default_factory=Assistant)
    tested: int = 100
    tokens: int = 128


@dataclass(frozen=True)
class Cell:
    """One assistant to tune."""

    set: str
    share: float
    method: str
    seed: int


def cells(plan: Sequence[tuple[str, float]], seeds: Sequence[int], methods: Sequence[str]) -> Iterator[Cell]:
    """All methods of a seed, then all seeds of a set and budget, before the next."""
    for name, share in plan:
        for seed in seeds:
            yield from (Cell(name, share, method, seed) for method in methods)


def compute(todo: Iterator[Cell], work: Path, sizes: Sizes, lesson: Lesson, minutes: float, file: Path) -> None:
    """Compute the cells that ``file`` lacks until the time is over; each is written as soon as it is done."""
    ends, materials = time.monotonic() + 60 * minutes, dict[str, Material]()
    for cell in todo:
        if any(asdict(cell).items() <= row.items() for row in read_cells(file)):
            continue
        if time.monotonic() > ends:
            return
        started = time.monotonic()
        if cell.set not in materials:
            materials[cell.set] = prepare(cell.set, work, sizes)
        right = tuned(materials[cell.set], cell.method, cell.share, cell.seed, lesson)
        told = {"right": "".join("01"[value] for value in right), "seconds": round(time.monotonic() - started)}
        with file.open("a") as out:
            out.write(json.dumps(asdict(cell) | told) + "\n")
        print(f"{cell.set} {cell.share:.0%} {cell.method} seed {cell.seed}: {sum(right)} of {len(right)}", flush=True)


def tuned(material: Material, method: str, share: float, seed: int, lesson: Lesson) -> list[bool]:
    """Which of the first development questions the tuned assistant answers right."""
    settings, compute = lesson.assistant, Compute()
    asked = {row: prompts.local(question) for row, question in enumerate(material.questions)}
    examples = [
        Example(asked[row], _rationale(material.questions[row]))
        for row in chosen(material, method, round(share * material.sizes.pool), seed)
    ]
    set_seed(seed)
    model = load(BASE, compute, "assistant")
    cut(model, settings.shrink, [*asked.values(), *(example.completion for example in examples)], "assistant.shrink")
    steps = max(1, round(settings.epochs * len(examples) / settings.batch))
    training = Training(steps, settings.batch, settings.learning_rate, settings.max_tokens, 10**9, seed)
    with tempfile.TemporaryDirectory() as scratch:
        fine_tune(model, examples, training, Path(scratch), f"{material.name} {method}")
    held_out = [int(row) for row in material.split[0][: lesson.tested]]
    decoding = Decoding(lesson.tokens)
    written = generate(model, [asked[row] for row in held_out], decoding, compute.batch_tokens, 0, lambda done=1: None)
    pairs = zip(held_out, written, strict=True)
    return [is_correct(read_answer(w[0].text, material.questions[row]), material.questions[row]) for row, w in pairs]


def _rationale(question: Question) -> str:
    if question.recorded_rationale and question.answer:
        return prompts.completion(question.recorded_rationale, question.answer)
    return practice.explain(question, phrasing=0, error=False)


def read_cells(file: Path) -> list[dict[str, Any]]:
    """The finished cells; a line that a kill cut short counts for none."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def tuned_table(file: Path) -> list[dict[str, Any]]:
    """The table of the tuned cells, over the seeds that a method and random both have."""
    cells: dict[tuple[str, float, str], dict[int, str]] = {}
    for row in read_cells(file):
        cells.setdefault((row["set"], row["share"], row["method"]), {})[row["seed"]] = row["right"]
    found = []
    for (name, share, method), by_seed in cells.items():
        base = cells.get((name, share, "random"), {})
        both = sorted(by_seed.keys() & base.keys())
        if both:
            pair = {method: _bits(by_seed, both), "random": _bits(base, both)}
            found += [
                row for row in table({(name, share, m): right for m, right in pair.items()}) if row["method"] == method
            ]
    return found


def _bits(by_seed: dict[int, str], seeds: list[int]) -> NDArray[np.float64]:
    return np.array([[float(sign) for sign in by_seed[seed]] for seed in seeds])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two short lessons on made-up questions; keeps no results")
    parser.add_argument("--minutes", type=float, default=240, metavar="N")
    parser.add_argument("--worker", default="1/1", help="which share of the cells, such as 1/2 and 2/2")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "selection-effect")
    given = parser.parse_args()
    plan = (
        PLAN if "BRIDGE_DATA" in os.environ else [(name, share) for name, share in PLAN if name.startswith("practice")]
    )
    todo, sizes, lesson, file = cells(plan, SEEDS, METHODS), Sizes(), Lesson(), RESULTS
    if given.quick:
        file = Path(tempfile.mkdtemp()) / RESULTS.name
        sizes, lesson = Sizes(60, 30, 30), Lesson(Assistant(epochs=1), 8, 48)
        todo = cells([("practice-legal", 0.2)], [0], METHODS[:2])
    number, _, workers = given.worker.partition("/")
    file.parent.mkdir(exist_ok=True)
    compute(islice(todo, int(number) - 1, None, int(workers)), given.work, sizes, lesson, given.minutes, file)
    rows = tuned_table(file)
    print(json.dumps({"benchmark": "selection_tuned", "machine": platform.machine(), "rows": rows}))


if __name__ == "__main__":
    main()
