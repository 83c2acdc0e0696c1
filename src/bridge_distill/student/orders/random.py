"""No order but the seed's: passes over all examples, each newly shuffled (``models.train``)."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill.config import Compute
from bridge_distill.models.load import Model
from bridge_distill.models.train.examples import Row
from bridge_distill.student.contract import orders


@orders.register("random")
def random(model: Model, rows: Sequence[Row], compute: Compute) -> None:
    """None: the training draws its own order."""
    return
