"""Learning from stored grades: off-policy distillation, for which the assistant reads every text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.distillation.events import merging
from bridge_distill.models.distillation.grading import Grades, grade
from bridge_distill.models.distillation.losses import Marked, Mix, mixed
from bridge_distill.models.distillation.pairs import Readers
from bridge_distill.models.distillation.tokens import Shared
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example, Objective
from bridge_distill.models.train.examples import Row


@dataclass(frozen=True)
class Stored(Objective):
    """The objective of texts that were graded into ``folder``; ``texts`` is the number there of each example."""

    folder: Path
    texts: Mapping[int, int]
    shared: Shared
    mix: Mix

    def columns(self, example: int) -> Mapping[str, NDArray[np.generic]]:
        """What was stored of a text, entered at the first token of each span."""
        graded = self.grades[self.texts[example]]
        tokens = self.grades.tokens(self.texts[example])
        starts = graded.spans[:, 0].cumsum() - graded.spans[:, 0]
        columns = {
            "lengths": graded.spans[:, 0].astype(np.int64),
            "merged": merging(graded.spans),
            "kept": graded.classes.astype(np.int64),
            "logs": graded.logs.astype(np.float32),
        }
        return {name: _spread(values, starts, tokens) for name, values in columns.items()}

    def losses(self, logits: Any, targets: Any, columns: Mapping[str, Any]) -> Any:
        """The mix of cross-entropy and divergence, (tokens,)."""
        import torch

        starts = columns["lengths"].nonzero().squeeze(1)
        marked = Marked(starts, **{name: columns[name][starts] for name in ("lengths", "merged", "logs", "kept")})
        classes = torch.from_numpy(self.shared.student).to(logits.device)
        return mixed(logits, targets, marked, classes, self.shared.count, self.mix)

    @cached_property
    def grades(self) -> Grades:
        """The files, opened where they are read."""
        return Grades(self.folder)


def stored(
    student: Model,
    assistant: Model,
    examples: Sequence[Example],
    rows: Sequence[Row],
    k: int,
    mix: Mix,
    folder: Path,
    batch_tokens: int,
    label: str,
) -> Stored:
    """Have the assistant read all examples that have ``rows``, as far as it has not done so yet, each text once."""
    readers = Readers(student, assistant)
    numbers: dict[tuple[str, tuple[int, ...]], int] = {}
    texts = {
        row.number: numbers.setdefault(
            (examples[row.number].prompt or "", tuple(row.ids[row.start :].tolist())), len(numbers)
        )
        for row in rows
    }
    distinct = [(prompt, list(tokens)) for prompt, tokens in numbers]
    grade(readers, assistant, distinct, k, mix.temperature, folder, batch_tokens, label)
    return Stored(folder, texts, readers.shared, mix)


def _spread(values: NDArray[Any], starts: NDArray[Any], tokens: int) -> NDArray[Any]:
    found = np.zeros((tokens, *values.shape[1:]), dtype=values.dtype)
    found[starts] = values
    return found
