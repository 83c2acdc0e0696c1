"""Keys and values of what was read: plain ones can be cut, chosen from, and grow without being copied every step."""

from __future__ import annotations

import functools
from threading import Lock
from typing import Any

# Columns that a full buffer gains: a longer text costs one copy in so many steps.
_ROOM = 32
_MAKING = Lock()


def plain(cache: Any) -> Any:
    """The cache where every layer keeps all keys and values of plain attention, else None."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    if type(cache) is not DynamicCache:
        return None
    kinds, layers = {DynamicLayer, _growing_layer()}, list[Any](cache.layers)
    return cache if all(type(layer) in kinds and layer.is_initialized for layer in layers) else None


def growing(cache: Any) -> Any:
    """The same keys and values with room for more behind them; those that are not plain stay as they are."""
    return cache if plain(cache) is None else picked(cache, slice(None), 0)


def picked(cache: Any, rows: Any, first: int) -> Any:
    """Some rows of a plain cache from column ``first`` on, with room for more."""
    from transformers import DynamicCache

    found = DynamicCache()
    for layer in cache.layers:
        grown = _growing_layer()()
        grown.update(layer.keys[rows, :, first:], layer.values[rows, :, first:])
        found.layers.append(grown)
    return found


def _growing_layer() -> Any:
    with _MAKING:  # two lanes would each make a class of their own, neither of which knows the other's layers
        return _made_growing_layer()


@functools.cache
def _made_growing_layer() -> Any:
    from transformers.cache_utils import DynamicLayer

    class Growing(DynamicLayer):  # type: ignore[no-untyped-call]
        """A layer whose keys and values are the front of larger buffers: a step is written behind them."""

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self._buffers: list[Any] = [None, None]
            start = self.get_seq_length()
            self.keys = self._held(0, key_states, start)
            self.values = self._held(1, value_states, start)
            return self.keys, self.values

        def _held(self, which: int, states: Any, start: int) -> Any:
            buffer, end = self._buffers[which], start + states.shape[2]
            if buffer is None or end > buffer.shape[2]:
                wider = states.new_empty(*states.shape[:2], end + _ROOM, states.shape[3])
                if start:
                    wider[:, :, :start] = buffer[:, :, :start]
                self._buffers[which] = buffer = wider
            buffer[:, :, start:end] = states
            return buffer[:, :, :end]

    return Growing
