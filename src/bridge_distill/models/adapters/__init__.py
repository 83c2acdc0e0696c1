"""Adapters: which weights are tuned. Merging always gives plain weights back."""

from __future__ import annotations

from typing import Any, Protocol

from bridge_distill.config import Adapter
from bridge_distill.registry import Registry


class Adapting(Protocol):
    """One way to make a network trainable."""

    def __call__(self, network: Any, adapter: Adapter) -> Any:
        """Return the trainable network; its ``merge_and_unload``, where it has one, gives plain weights."""


adapters: Registry[Adapting] = Registry("adapter", "bridge_distill.models.adapters")


def merged(network: Any) -> Any:
    """The plain network of a tuned one."""
    return network.merge_and_unload() if hasattr(network, "merge_and_unload") else network
