"""Tune every weight."""

from __future__ import annotations

from typing import Any

from bridge_distill.config import Adapter
from bridge_distill.models.adapters import adapters


@adapters.register("full")
def full(network: Any, adapter: Adapter) -> Any:
    """Leave the network as it is: all weights are trainable."""
    return network
