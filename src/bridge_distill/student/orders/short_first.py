"""From the shortest example to the longest, prompt and completion together, in every pass."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.config import Compute
from bridge_distill.models.load import Model
from bridge_distill.models.train.examples import Row
from bridge_distill.student.contract import orders


@orders.register("short_first")
def short_first(model: Model, rows: Sequence[Row], compute: Compute) -> list[int]:
    """Rows by their number of tokens; of equal ones the first."""
    return sorted(range(len(rows)), key=lambda at: len(rows[at].ids))
