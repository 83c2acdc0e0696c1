"""Adapters: which weights are tuned. Merging always gives plain weights back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from bridge_distill.config import Adapter
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example
from bridge_distill.registry import Registry
from bridge_distill.section import Section
from bridge_distill.validation import read_options

Options = TypeVar("Options", bound=Section)


class Adapting(ABC, Generic[Options]):
    """One way to make a network trainable; ``options`` is the section that its settings are validated against.

    ``place`` is the dotted path of the adapter's own section, for errors. ``scratch`` is a folder for what a killed
    training must find again as it was, None where none is resumed.
    """

    options: ClassVar[type[Section]]

    def __init__(self, settings: Options, place: str, scratch: Path | None = None) -> None:
        self.settings, self.place, self.scratch = settings, place, scratch

    @abstractmethod
    def __call__(self, model: Model, examples: Sequence[Example]) -> Any:
        """Return the trainable network; ``merged`` makes plain weights of it.

        ``examples`` are those that it will be tuned on, for adapters that go by them. May change ``model.network``.
        """


adapters: Registry[type[Adapting[Any]]] = Registry("adapter", "bridge_distill.models.adapters")


def settings_of(adapter: Adapter, place: str) -> Section:
    """An adapter's options with all defaults filled in; raises ``UserError`` for an unknown name or a bad value."""
    return read_options(adapters.get(adapter.kind, place).options, adapter.options, place, "kind", adapter.kind)


def make_adapter(adapter: Adapter, place: str, scratch: Path | None = None) -> Adapting[Any]:
    """The adapter of a run file's section, which stands at ``place``; raises ``UserError`` as ``settings_of`` does."""
    return adapters.get(adapter.kind, place)(settings_of(adapter, place), place, scratch)


def merged(network: Any) -> Any:
    """The plain network of a tuned one."""
    return network.merge_and_unload() if hasattr(network, "merge_and_unload") else network
