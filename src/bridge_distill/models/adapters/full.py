"""Tune every weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_distill.models.adapters import Adapting, adapters
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example
from bridge_distill.section import Section


class FullOptions(Section):
    """There is nothing to set."""


@adapters.register("full")
class Full(Adapting[FullOptions]):
    """All weights, embeddings included."""

    options = FullOptions

    def __call__(self, model: Model, examples: Sequence[Example]) -> Any:
        """Leave the network as it is: all weights are trainable."""
        return model.network
