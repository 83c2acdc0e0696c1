"""The families of models whose layers can be cut: all of them stack the same gated MLP and grouped attention."""

from __future__ import annotations

from typing import Any

from bridge_distill.errors import UserError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text")


def check_family(network: Any, place: str) -> None:
    """Raise ``UserError`` for a model whose layers are of another kind."""
    kind = network.config.model_type
    if kind not in FAMILIES:
        cure = f"choose a base of one of {', '.join(FAMILIES)}, or trim its vocabulary alone"
        raise UserError(place, f"the layers of a {kind!r} model cannot be cut", cure)


def layers_of(network: Any) -> Any:
    """The stack of layers (``ModuleList``)."""
    return network.get_decoder().layers


def group_of(config: Any) -> int:
    """How many attention heads share one key and value."""
    return int(config.num_attention_heads // config.num_key_value_heads)


def head_width(network: Any) -> int:
    """The width of one head, which not every family's config says."""
    return int(layers_of(network)[0].self_attn.head_dim)
