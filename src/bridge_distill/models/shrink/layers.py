"""Which layers stay, and a stack of those alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bridge_distill.config import Shrink
from bridge_distill.errors import UserError
from bridge_distill.models.shrink.family import layers_of


def check_layers(layers: int | list[int], depth: int, place: str) -> None:
    """Raise ``UserError`` for layers that a base of this depth has not."""
    if isinstance(layers, int):
        if layers > depth:
            raise UserError(
                f"{place}.layers", f"{layers} layers asked of a base that has {depth}", f"give at most {depth}"
            )
    elif not layers or sorted(set(layers)) != layers or layers[-1] >= depth or layers[0] < 0:
        raise UserError(
            f"{place}.layers", f"{layers} are not rising layer numbers", f"give numbers from 0 to {depth - 1}"
        )


def positions(shrink: Shrink, depth: int, worth: Callable[[], Sequence[float]]) -> list[int]:
    """Which layers stay, rising.

    Those listed; or evenly spaced ones that include the first and the last; or those of the highest ``worth``, one
    number a layer, the earlier one where two are equal.
    """
    if shrink.layers is None:
        return list(range(depth))
    if isinstance(shrink.layers, list):
        return shrink.layers
    if shrink.layer_choice == "spaced":
        return [round(i * (depth - 1) / max(shrink.layers - 1, 1)) for i in range(shrink.layers)]
    found = worth()
    return sorted(sorted(range(depth), key=lambda at: -found[at])[: shrink.layers])


def keep_layers(network: Any, kept: Sequence[int]) -> None:
    """Leave only these layers, in place."""
    import torch

    body, config = network.get_decoder(), network.config
    body.layers = torch.nn.ModuleList([layers_of(network)[i] for i in kept])
    for index, layer in enumerate(body.layers):
        layer.self_attn.layer_idx = index
    kinds = getattr(config, "layer_types", None)
    config.num_hidden_layers = len(kept)
    if kinds is not None:
        config.layer_types = [kinds[i] for i in kept]
