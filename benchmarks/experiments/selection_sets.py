"""Question sets for measuring what a choice is worth: pools by seed, choices, and paired differences to random.

A seed draws a pool of 400 of a set's questions, and seeds the selector and the training; methods meet on the
same seed. Development questions are held out of every pool.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bases import BASE
from bridge_distill import artifacts, data, practice, prompts, selection
from bridge_distill.config import Compute, Data, Score
from bridge_distill.models.batches import batches
from bridge_distill.models.load import load
from bridge_distill.models.reading import read
from bridge_distill.records import Question
from bridge_distill.selection import measure
from bridge_distill.selection.contract import Pool
from bridge_distill.selection.difficulty import difficulty
from bridge_distill.selection.ranking import make_selector, rank
from cells import Cell
from once import once

SCORE = Score(weighted=True)
MIXED = "practice-mixed"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    f"bridge w={weight:g} d={discount:g}": ("bridge", {"difficulty_weight": weight, "discount_hardest": discount})
    for weight, discounts in ((0, [0]), (0.5, [0, 0.3]), (1, [0, 0.1, 0.3]))
    for discount in discounts
}


@dataclass(frozen=True)
class Sizes:
    """Questions of a set, held out of them, in the pool of a seed; budgets as shares of a pool; seeds of the probe.

    ``base`` is the model that measures and learns them.
    """

    source: int = 900
    held_out: int = 300
    pool: int = 400
    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.10, 0.20)
    seeds: int = 20
    base: str = BASE


@dataclass
class Material:
    """A set: its questions, what the score stage measured of them, and where its files lie."""

    name: str
    folder: Path
    sizes: Sizes

    @cached_property
    def questions(self) -> list[Question]:
        """All of them, in their frozen order."""
        return artifacts.train_questions(self.folder)

    @cached_property
    def states(self) -> NDArray[np.float64]:
        """The untuned assistant's state after each prompt and ``Answer:``, standardised, shape (questions, width)."""
        file = self.folder / "states.npy"
        if not file.exists():
            partial = file.with_name(f"states.{os.getpid()}.npy")
            np.save(partial, _read_states(self.questions, self.sizes.base))
            partial.replace(file)
        states = np.load(file).astype(np.float64)
        found: NDArray[np.float64] = (states - states.mean(0)) / (states.std(0) + 1e-6)
        return found

    @cached_property
    def split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows held out for development, and the others."""
        order = np.random.default_rng(0).permutation(len(self.questions))
        return np.sort(order[: self.sizes.held_out]), order[self.sizes.held_out :]

    def rows(self, seed: int) -> NDArray[np.int64]:
        """The pool of a seed, in ascending order of ids."""
        drawn = np.random.default_rng([seed, 1]).choice(self.split[1], self.sizes.pool, replace=False)
        return np.array(sorted(drawn, key=lambda row: self.questions[row].id), dtype=np.int64)

    def pool(self, rows: NDArray[np.int64]) -> Pool:
        """What a selector is given; the target of RDS+ are the development questions, without their answers."""
        columns = {name: values[rows] for name, values in artifacts.signals(self.folder).items()}
        weighted = artifacts.weighted(self.folder)
        assert weighted is not None
        domains = [self.questions[row].domain for row in rows]
        return Pool(
            [self.questions[row].id for row in rows],
            artifacts.embeddings(self.folder)[rows],
            difficulty(columns, SCORE.difficulty),
            domains if len(set(domains)) > 1 else None,
            columns,
            weighted[self.split[0]],
            weighted[rows],
        )


def prepare(name: str, work: Path, sizes: Sizes) -> Material:
    """Freeze a set's questions, score them and read their states, once."""

    def make(folder: Path) -> None:
        (folder / "scratch").mkdir()
        data.freeze(_source(name, sizes.source, folder), folder)
        selection.score(SCORE, sizes.base, "score", folder, folder, folder / "scratch", Compute(), 0)

    return Material(name, once(work / f"{name}-{sizes.source}", make), sizes)


def _read_states(questions: list[Question], base: str) -> NDArray[np.float32]:
    model, compute = load(base, Compute(), "score"), Compute()
    heads = [model.prompt_ids(prompts.local(question)) for question in questions]
    mark, found = measure.mark_ids(model), np.empty((len(heads), model.network.config.hidden_size), np.float32)
    for rows in batches([len(head) + len(mark) for head in heads], compute.batch_tokens):
        found[rows] = read(model, [heads[row] for row in rows], mark).states[:, -1].float().numpy()
    return found


def _source(name: str, size: int, folder: Path) -> Data:
    if name == MIXED:
        return _mixed(size, folder / "mixed.jsonl")
    if name.startswith("practice-"):
        task = name.partition("-")[2]
        return Data(train=f"practice:{task}?n={size}&seed=11&difficulty=0", test=f"practice:{task}?n=8&seed=12")
    real = Path(os.environ["BRIDGE_DATA"]) / name
    form = "number" if name == "svamp_palm" else "yes_no"
    return Data(train=str(real / "train.jsonl"), test=str(real / "test.jsonl"), answer=form, limit_train=size)


def _mixed(size: int, file: Path) -> Data:
    """Half legal, a third medical and a sixth financial questions with the expert's rationales."""
    rows = []
    for task, share in (("legal", 1 / 2), ("medical", 1 / 3), ("financial", 1 / 6)):
        for question in practice.make(task, round(share * size), 11, 0.0):
            reply = practice.explain(question, phrasing=0, error=False)
            told = {"id": question.id, "question": question.text, "answer": question.answer, "domain": task}
            rows.append(json.dumps(told | {"rationale": prompts.explanation(reply)}) + "\n")
    file.write_text("".join(rows))
    return Data(train=str(file), test="practice:legal?n=8&seed=12", answer=["yes_no", "number"])


def chosen(material: Material, cell: Cell) -> list[int]:
    """The rows that a method, or a variant of one, chooses from the pool of a seed."""
    name, options = VARIANTS.get(cell.method, (cell.method, {}))
    rows = material.rows(cell.seed)
    picks = rank(make_selector(name, options, cell.seed, 1), material.pool(rows), round(cell.share * len(rows)))
    return [int(rows[pick.index]) for pick in picks]


def rationale(question: Question) -> str:
    """What the expert says to a question: recorded, or, where nothing is, the answer alone."""
    answer = question.recorded_answer or question.answer
    if question.recorded_rationale and answer:
        return prompts.completion(question.recorded_rationale, answer)
    told = practice.solve(question.text, phrasing=0, error=False)
    return told or prompts.completion("", question.answer or "")
