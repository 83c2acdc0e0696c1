"""What is measured of a question before anything is paid: the contracts of signals and of embedders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bridge_distill.answers import MARK
from bridge_distill.config import Score
from bridge_distill.engine.fingerprint import digest_folder
from bridge_distill.models.batches import batches
from bridge_distill.models.generator import Decoding, Generation
from bridge_distill.models.load import Model
from bridge_distill.models.reading import Reading, read
from bridge_distill.models.writing import continued, draws_of
from bridge_distill.records import Question
from bridge_distill.registry import Registry

Column = NDArray[np.float64]
ANSWER_TOKENS = 12


class Batch:
    """Questions that the assistant reads together; each part is made when a signal first asks for it, and once.

    ``heads`` are the prompts' token ids, ``positions`` the questions' places in the pool, which with ``seed`` alone
    decide what is drawn.
    """

    def __init__(
        self,
        model: Model,
        questions: Sequence[Question],
        heads: Sequence[Sequence[int]],
        positions: Sequence[int],
        settings: Score,
        batch_tokens: int,
        seed: int,
    ) -> None:
        self.model, self.questions, self.heads = model, questions, heads
        self.settings, self._batch_tokens = settings, batch_tokens
        self._positions, self._seed = positions, seed
        self._samples: dict[int, list[Generation]] = {}

    @cached_property
    def reading(self) -> Reading:
        """The one forward pass over every prompt and the ``Answer:`` that follows it."""
        return read(self.model, self.heads, mark_ids(self.model))

    @cached_property
    def drafts(self) -> list[Generation]:
        """The first tokens of the model's own greedy explanation of each question."""
        decoding = Decoding(self.settings.draft_tokens, entropies=True)
        return [written[0] for written in self._written(range(len(self.heads)), decoding, tail=False)]

    def samples(self, rows: Sequence[int]) -> list[list[Generation]]:
        """Sampled short answers to some questions, each forced to begin with the mark."""
        missing = [row for row in rows if row not in self._samples]
        decoding = Decoding(ANSWER_TOKENS, temperature=1.0, samples=self.settings.samples)
        width = [self.reading.ids.shape[1] + ANSWER_TOKENS] * len(missing)
        for group in batches(width, self._batch_tokens // decoding.samples):
            part = [missing[place] for place in group]
            self._samples.update(zip(part, self._written(part, decoding), strict=True))
        return [self._samples[row] for row in rows]

    def _written(self, rows: Sequence[int], decoding: Decoding, tail: bool = True) -> list[list[Generation]]:
        draws = draws_of(self._seed, [self._positions[row] for row in rows], decoding)
        return continued(self.reading, rows, decoding, draws, tail=tail)

    @cached_property
    def gold_loss(self) -> Column:
        """Mean loss in nats of each gold answer's tokens after the mark; NaN where gold is not known."""
        rows = [row for row, question in enumerate(self.questions) if question.answer is not None]
        found = np.full(len(self.questions), np.nan)
        if rows:
            found[rows] = self.reading.loss(rows, [self.answer_ids(self.questions[row].answer or "") for row in rows])
        return found

    def answer_ids(self, answer: str) -> list[int]:
        """The tokens of an answer as they follow the mark."""
        return list(self.model.tokenizer(" " + answer, add_special_tokens=False)["input_ids"])


def mark_ids(model: Model) -> list[int]:
    """The tokens of ``Answer:``, which every prompt is followed by when it is read."""
    return list(model.tokenizer(MARK, add_special_tokens=False)["input_ids"])


class Measure(Protocol):
    """Measures a batch: an array (questions,) for each column of its signal, NaN where there is nothing to measure."""

    def __call__(self, batch: Batch) -> Sequence[Column]:
        """Return the columns in the signal's order."""


@dataclass(frozen=True)
class Signal:
    """One measure: the columns that it fills, how, and the tokens it writes a question beside the one reading.

    ``draws`` says whether it may sample them.
    """

    columns: tuple[str, ...]
    measure: Measure
    tokens: Callable[[Score], int] = lambda settings: 0
    draws: bool = False


class Readable(Protocol):
    """Questions, and the assistant's pass over their prompts, which is made when it is first asked for."""

    @property
    def questions(self) -> Sequence[Question]:
        """The questions."""

    @property
    def reading(self) -> Reading:
        """The pass."""


class Embedder(Protocol):
    """Where questions lie: vectors of one width."""

    def __call__(self, batch: Readable) -> NDArray[np.float32]:
        """Return an array (questions, width)."""


signals: Registry[Signal] = Registry("signal", "bridge_distill.selection.signals")
embedders: Registry[Callable[[str], Embedder]] = Registry("embedder", "bridge_distill.selection.embedders")


def find_embedder(name: str) -> Embedder:
    """The embedder that a setting such as ``model2vec:owner/name`` names; raises ``UserError``."""
    family, _, argument = name.partition(":")
    return embedders.get(family, "score.embedder")(argument)


def embedder_digest(name: str) -> dict[str, str]:
    """What a setting's embedder holds where it is a folder, by file, for the fingerprint of the stage."""
    _, _, argument = name.partition(":")
    return digest_folder(Path(argument)) if argument and Path(argument).is_dir() else {}
