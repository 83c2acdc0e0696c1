"""From what the student finds easiest to what it finds hardest, in every pass.

Easy is what the student itself, as it is when the phase begins, gives a low mean loss (Bengio et al. 2009, Curriculum
Learning; self-paced: Kumar et al. 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bridge_distill.config import Compute
from bridge_distill.models.batches import batches
from bridge_distill.models.load import Model
from bridge_distill.models.reading import read
from bridge_distill.models.train.examples import Row
from bridge_distill.student.contract import orders


@orders.register("easy_first")
def easy_first(model: Model, rows: Sequence[Row], compute: Compute) -> list[int]:
    """Rows by the mean loss of their completions, which are read once; of equal ones the first."""
    starts = [max(row.start, 1) for row in rows]
    losses = np.empty(len(rows))
    model.network.eval()
    for group in batches([len(row.ids) for row in rows], compute.batch_tokens):
        found = read(model, [rows[at].ids[: starts[at]].tolist() for at in group])
        losses[group] = found.loss(range(len(group)), [rows[at].ids[starts[at] :].tolist() for at in group])
    return [int(at) for at in np.argsort(losses, kind="stable")]
