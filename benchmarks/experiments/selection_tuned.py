"""What each selector's choice is worth to the assistant that is tuned on the expert's rationales for it.

All weights are tuned as a run does it, and tested by what the assistant writes to held-out development questions. A
cell takes minutes, so cells are computed in the order of a plan for as long as asked; those in the results
already are not computed again, so that a stopped experiment goes on.

    [BRIDGE_DATA=folder] python selection_tuned.py [--quick] [--minutes N] [--worker 1/2] [--only WORD] [--work FOLDER]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import experiment
from bases import shallow
from bridge_distill import prompts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Assistant, Compute
from bridge_distill.models.adapters import make_adapter, merged
from bridge_distill.models.engines.transformers import Transformers
from bridge_distill.models.generator import Asked, Decoding
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Trained, Training, fine_tune
from cells import Cell, cells
from selection_sets import Material, Sizes, chosen, prepare, rationale

SEEDS = range(5)
METHODS = ("random", "bridge", "stratified", "typical", "k_means")
PLAN = [(name, share) for share in (0.05, 0.02, 0.10) for name in ("practice-legal", "legal_diversity")]


@dataclass(frozen=True)
class Lesson:
    """How an assistant is tuned, how many questions test it, and the most tokens that it writes to one."""

    assistant: Assistant = field(default_factory=Assistant)
    tested: int = 100
    tokens: int = 128


def tune(material: Material, rows: Sequence[int], seed: int, lesson: Lesson, label: str) -> tuple[Model, Trained]:
    """The assistant, its adapter not yet merged, tuned on the expert's rationales for some rows; and figures."""
    settings = lesson.assistant
    questions = material.questions
    examples = [Example(prompts.local(questions[row]), rationale(questions[row])) for row in rows]
    set_seed(seed)
    model = load(material.sizes.base, Compute(), "assistant", trained=True)
    asked = [prompts.local(question) for question in questions]
    cut(model, settings.shrink, [*asked, *(example.completion for example in examples)], "assistant.shrink")
    model.network = make_adapter(settings.adapter, "assistant.adapter")(model, examples)
    steps = max(1, round(settings.epochs * len(examples) / settings.batch))
    training = Training(steps, settings.batch, settings.learning_rate, settings.max_tokens, 10**9, seed)
    with tempfile.TemporaryDirectory() as scratch:
        return model, fine_tune(model, examples, training, Path(scratch), label)


def tested(model: Model, material: Material, lesson: Lesson) -> list[float]:
    """1 for each of the first development questions that the tuned assistant answers right, 0 for the others."""
    model.network = merged(model.network)
    questions = [material.questions[int(row)] for row in material.split[0][: lesson.tested]]
    asked = [Asked(prompts.local(question)) for question in questions]
    written = Transformers(model, Compute().batch_tokens).write(asked, Decoding(lesson.tokens), 0)
    pairs = zip(questions, written, strict=True)
    return [float(is_correct(read_answer(told[0].text, question), question)) for question, told in pairs]


def study(quick: bool, work: Path) -> experiment.Study:
    known = [(name, share) for name, share in PLAN if name.startswith("practice") or "BRIDGE_DATA" in os.environ]
    todo, sizes, lesson = cells(known, SEEDS, METHODS), Sizes(), Lesson()
    if quick:
        sizes, lesson = Sizes(30, 10, 16, base=shallow(work, 4)), Lesson(Assistant(epochs=1), 4, 24)
        todo = cells([("practice-legal", 0.2)], [0], METHODS[:2])
    find = cache(lambda name: prepare(name, work, sizes))

    def measure(cell: Cell) -> dict[str, Any]:
        material = find(cell.set)
        model, _ = tune(material, chosen(material, cell), cell.seed, lesson, f"{cell.set} {cell.method}")
        return {"values": tested(model, material, lesson)}

    return experiment.Study(todo, measure, {"method": "random"})


if __name__ == "__main__":
    experiment.run(Path(__file__).stem, __doc__ or "", "selection-effect", study)
