"""What matters in a model, seen while it reads some texts: layers, units of the MLPs, and groups of heads."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bridge_distill.models.load import Model
from bridge_distill.models.shrink.family import layers_of

MAX_TOKENS = 256


@dataclass(frozen=True)
class Importance:
    """One number for each part: ``angles`` (layers,), ``units`` (layers, width), ``groups`` (layers, key-value heads).

    An angle is that between what goes into a layer and what comes out, as a share of half a turn, averaged over all
    tokens (Gromov et al. 2024, arXiv 2403.17887; Men et al. 2024, arXiv 2403.03853). A unit's or group's importance is
    the norm of all that it adds to the residual stream: of Minitron's activations (Muralidharan et al. 2024, arXiv
    2407.14679) times the weights that they meet, so that what adds nothing comes last.
    """

    angles: Any
    units: Any
    groups: Any


def calibration_rows(model: Model, texts: Sequence[str], most: int) -> list[list[int]]:
    """The tokens of at most ``most`` of the texts, the same ones for any seed of a run, ``MAX_TOKENS`` of each.

    With what the tokenizer puts before a text, without which some families read nothing as they should.
    """
    chosen = random.Random(0).sample(texts, min(most, len(texts)))
    rows = [list(model.tokenizer(text)["input_ids"])[:MAX_TOKENS] for text in chosen]
    return [row for row in rows if len(row) > 1]


def measure(network: Any, rows: Sequence[Sequence[int]]) -> Importance:
    """Read every row once; tensors are float64 on the CPU."""
    import torch

    layers, config = layers_of(network), network.config
    angles = torch.zeros(len(layers), dtype=torch.float64)
    units = torch.zeros(len(layers), config.intermediate_size, dtype=torch.float64)
    groups = torch.zeros(len(layers), config.num_key_value_heads, dtype=torch.float64)

    def watch(at: int, layer: Any) -> list[Any]:
        def of_layer(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            angles[at] += _angles(args[0] if args else kwargs["hidden_states"], _first(output)).sum().double().cpu()

        def of_mlp(module: Any, args: Any) -> None:
            units[at] += args[0].float().square().sum((0, 1)).double().cpu()

        def of_attention(module: Any, args: Any) -> None:
            groups[at] += _added_by_group(args[0], module.weight, config.num_key_value_heads).double().cpu()

        return [
            layer.register_forward_hook(of_layer, with_kwargs=True),
            layer.mlp.down_proj.register_forward_pre_hook(of_mlp),
            layer.self_attn.o_proj.register_forward_pre_hook(of_attention),
        ]

    with _hooked([hook for at, layer in enumerate(layers) for hook in watch(at, layer)]):
        for row in rows:
            _read(network, row)
    columns = torch.stack([layer.mlp.down_proj.weight.detach().float().square().sum(0) for layer in layers])
    return Importance(angles / sum(map(len, rows)), (units * columns.double().cpu()).sqrt(), groups.sqrt())


def losses_without(network: Any, rows: Sequence[Sequence[int]]) -> list[float]:
    """For each layer the mean loss a token in nats where that layer is left out: a whole reading of the rows each."""

    def skipped(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        came = args[0] if args else kwargs["hidden_states"]
        return (came, *output[1:]) if isinstance(output, tuple) else came

    found = []
    for layer in layers_of(network):
        with _hooked([layer.register_forward_hook(skipped, with_kwargs=True)]):
            found.append(_loss(network, rows))
    return found


def _loss(network: Any, rows: Sequence[Sequence[int]]) -> float:
    from torch.nn.functional import cross_entropy

    total = 0.0
    for row in rows:
        logits = _read(network, row).logits[0].float()
        told = logits.new_tensor(row[1:]).long()
        total += float(cross_entropy(logits[:-1], told, reduction="sum"))
    return total / sum(len(row) - 1 for row in rows)


def _read(network: Any, row: Sequence[int]) -> Any:
    import torch

    with torch.inference_mode():
        return network(input_ids=torch.tensor([row], device=network.device), use_cache=False)


def _angles(came: Any, went: Any) -> Any:
    from torch.nn.functional import cosine_similarity

    return cosine_similarity(came.float(), went.float(), dim=-1).clamp(-1, 1).arccos() / math.pi


def _added_by_group(heads: Any, weight: Any, groups: int) -> Any:
    """Squared norms (groups,) of what groups add; ``heads`` is (1, tokens, width), ``weight`` (hidden, width)."""
    import torch

    said = heads[0].float().unflatten(-1, (groups, -1))
    added = torch.einsum("tgw,dgw->gtd", said, weight.float().unflatten(-1, (groups, -1)))
    return added.square().sum((1, 2))


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def _hooked(hooks: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
