"""A new model of a given size with random weights, of the base's family, proportions and tokenizer: for comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge_distill.errors import UserError
from bridge_distill.models.shrink.family import group_of, head_width

TOLERANCE = 0.1
_HEAD = 64
_STEP = 8
_MOST_HEADS = 64
_MOST_LAYERS = 128


@dataclass(frozen=True)
class Shape:
    """``heads`` of ``head`` units make the hidden width; ``layers`` of them, each with an MLP of ``mlp`` units."""

    heads: int
    head: int
    layers: int
    mlp: int

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return self.heads * self.head


def fresh(network: Any, size: int, place: str) -> Any:
    """A network of ``size`` parameters, drawn from torch's seeded generator, embeddings tied.

    Of all shapes that come within ``TOLERANCE`` the one whose proportions, depth to width and MLP to width, are
    nearest to the base's. Raises ``UserError`` where there is none.
    """
    config = network.config
    base = Shape(config.num_attention_heads, head_width(network), config.num_hidden_layers, config.intermediate_size)
    found = min(_shapes(network, size), key=lambda shape: _strangeness(shape, config, base), default=None)
    if found is None:
        least = _parameters(network, Shape(1, min(base.head, _HEAD), 1, _STEP))
        problem = f"no shape with {config.vocab_size:,} tokens has {size:,} parameters (the smallest has {least:,})"
        raise UserError(f"{place}.size", problem, "give a larger size, or trim the vocabulary")
    made = type(network)(_config(network, found)).to(device=network.device, dtype=network.dtype)
    made.generation_config = network.generation_config
    return made.eval()


def _shapes(network: Any, size: int) -> Iterator[Shape]:
    """Shapes that have the size within ``TOLERANCE``, the MLP's width filling up what width and depth leave."""
    head = min(head_width(network), _HEAD)
    for heads in range(1, _MOST_HEADS + 1):
        one, two, wider = (_parameters(network, Shape(heads, head, *rest)) for rest in ((1, 8), (2, 8), (1, 16)))
        a_unit, a_layer = (wider - one) / 8, two - one
        around = one - a_layer
        if around >= size * (1 + TOLERANCE):
            return
        for layers in range(1, _MOST_LAYERS + 1):
            room = (size - around - layers * a_layer) / (layers * a_unit) + 8
            mlp = max(_STEP, round(room / _STEP) * _STEP)
            if abs(around + layers * (a_layer + (mlp - 8) * a_unit) - size) <= TOLERANCE * size:
                yield Shape(heads, head, layers, mlp)


def _strangeness(shape: Shape, config: Any, base: Shape) -> float:
    """How far a shape's proportions are from the base's, in logarithms."""
    depth = (shape.layers / shape.hidden) / (base.layers / config.hidden_size)
    wide = (shape.mlp / shape.hidden) / (base.mlp / config.hidden_size)
    return abs(math.log(depth)) + abs(math.log(wide))


def _parameters(network: Any, shape: Shape) -> int:
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in type(network)(_config(network, shape)).parameters())


def _config(network: Any, shape: Shape) -> Any:
    """The base's config in another shape, its kinds of layers repeated from the first on."""
    config = network.config
    keys = [n for n in range(1, shape.heads + 1) if not shape.heads % n and n * group_of(config) >= shape.heads]
    changes: dict[str, Any] = {
        "hidden_size": shape.hidden,
        "head_dim": shape.head,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": min(keys),
        "num_hidden_layers": shape.layers,
        "intermediate_size": shape.mlp,
        "tie_word_embeddings": True,
    }
    kinds = getattr(config, "layer_types", None)
    if kinds is not None:
        changes["layer_types"] = [kinds[i % len(kinds)] for i in range(shape.layers)]
    if hasattr(config, "query_pre_attn_scalar"):
        changes["query_pre_attn_scalar"] = shape.head
    return type(config).from_dict({**config.to_dict(), **changes})
