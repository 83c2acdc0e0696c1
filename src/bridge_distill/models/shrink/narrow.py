"""Narrower layers: the MLP's units and the groups of heads that matter most, as many in every layer."""

from __future__ import annotations

from typing import Any

from bridge_distill.errors import UserError
from bridge_distill.models.shrink.family import group_of, head_width, layers_of


def mlp_width(asked: int | float, config: Any, place: str) -> int:
    """The width that is asked for, a share of the base's rounded; raises ``UserError`` for more than it has."""
    whole = config.intermediate_size
    if asked > whole:
        raise UserError(f"{place}.mlp", f"{asked} units asked of an MLP that has {whole}", f"give at most {whole}")
    return asked if isinstance(asked, int) else max(1, round(asked * whole))


def groups_of(heads: int, config: Any, place: str) -> int:
    """How many groups so many heads are; raises ``UserError`` where they are no whole groups, or the family refuses."""
    group = group_of(config)
    possible = [n * group for n in range(1, config.num_key_value_heads + 1) if _valid(config, n * group, n)]
    if heads not in possible:
        cure = f"heads that share a key go together: give one of {', '.join(map(str, possible))}"
        raise UserError(f"{place}.heads", f"{heads} heads asked of a base that has {config.num_attention_heads}", cure)
    return heads // group


def narrow_mlp(network: Any, units: Any, width: int) -> None:
    """Keep in each layer the ``width`` units of the highest importance, in place; ``units`` is (layers, old width)."""
    for layer, importance in zip(layers_of(network), units, strict=True):
        kept = _best(importance, width)
        for into in (layer.mlp.gate_proj, layer.mlp.up_proj):
            _keep_outputs(into, kept)
        _keep_inputs(layer.mlp.down_proj, kept)
        layer.mlp.intermediate_size = width
    network.config.intermediate_size = width


def narrow_heads(network: Any, groups: Any, count: int) -> None:
    """Keep in each layer the ``count`` groups of the highest importance, in place; ``groups``: (layers, old groups)."""
    width, group, config = head_width(network), group_of(network.config), network.config
    for layer, importance in zip(layers_of(network), groups, strict=True):
        kept = _best(importance, count)
        asking, telling = _spread(kept, group * width), _spread(kept, width)
        _keep_outputs(layer.self_attn.q_proj, asking)
        _keep_outputs(layer.self_attn.k_proj, telling)
        _keep_outputs(layer.self_attn.v_proj, telling)
        _keep_inputs(layer.self_attn.o_proj, asking)
    config.head_dim = width
    config.num_attention_heads, config.num_key_value_heads = count * group, count


def _valid(config: Any, heads: int, groups: int) -> bool:
    """Whether the family's own config takes this number of heads."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        type(config).from_dict({**config.to_dict(), "num_attention_heads": heads, "num_key_value_heads": groups})
    except StrictDataclassError:
        return False
    return True


def _best(importance: Any, count: int) -> Any:
    """Places of the highest values, rising; the earlier one where two are equal."""
    return importance.argsort(descending=True, stable=True)[:count].sort().values


def _spread(groups: Any, width: int) -> Any:
    """The rows of some groups that are ``width`` rows each."""
    import torch

    return (groups[:, None] * width + torch.arange(width)).flatten()


def _keep_outputs(linear: Any, rows: Any) -> None:
    import torch

    rows = rows.to(linear.weight.device)
    linear.weight = torch.nn.Parameter(linear.weight.data[rows].clone())
    if linear.bias is not None:
        linear.bias = torch.nn.Parameter(linear.bias.data[rows].clone())
    linear.out_features = len(rows)


def _keep_inputs(linear: Any, columns: Any) -> None:
    import torch

    columns = columns.to(linear.weight.device)
    linear.weight = torch.nn.Parameter(linear.weight.data[:, columns].clone())
    linear.in_features = len(columns)
