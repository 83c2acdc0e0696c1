"""How much the loss on given tokens depends on each weight, and where to place a small number of trainable ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bridge_distill.models.load import Model


def linear_layers(network: Any) -> dict[str, Any]:
    """Linear layers by name, the output layer left out (it may share its weight with the embedding)."""
    import torch

    output = network.get_output_embeddings()
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not output
    }


def gradients(model: Model, rows: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
    """Gradient of the mean loss over all labelled tokens of ``rows``, for the weight of each linear layer.

    Rows are token ids and labels; values have the shape of the weight. A layer that no row passes is left out.
    Leaves the network as it was.
    """
    import torch

    layers = linear_layers(model.network)
    was = {name: parameter.requires_grad for name, parameter in model.network.named_parameters()}
    training = model.network.training
    model.network.eval().requires_grad_(False)
    for layer in layers.values():
        layer.weight.requires_grad_(True)
    total = sum(label >= 0 for _, labels in rows for label in labels[1:])
    device = model.network.device
    for ids, labels in rows:
        logits = model.network(torch.tensor([ids], device=device)).logits[0, :-1].float()
        wanted = torch.tensor(labels[1:], device=device)
        loss: Any = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum") / total
        loss.backward()
    found = {name: layer.weight.grad.float() for name, layer in layers.items() if layer.weight.grad is not None}
    model.network.zero_grad(set_to_none=True)
    for name, parameter in model.network.named_parameters():
        parameter.requires_grad_(was[name])
    model.network.train(training)
    return found


def largest(tensors: Mapping[str, Any], count: int) -> dict[str, NDArray[np.int64]]:
    """Flat places of the ``count`` values largest in size over all tensors together; of equals the first.

    Rising places for each tensor that has any. ``count`` is at least 1 and at most the number of values.
    """
    sizes = {name: tensor.abs().flatten().cpu().numpy() for name, tensor in tensors.items()}
    together = np.concatenate(list(sizes.values()))
    together.partition(len(together) - count)
    threshold = together[len(together) - count]
    equals = count - int(np.count_nonzero(together > threshold))
    found = {}
    for name, values in sizes.items():
        equal = np.flatnonzero(values == threshold)[:equals]
        equals -= len(equal)
        places = np.union1d(np.flatnonzero(values > threshold), equal)
        if len(places):
            found[name] = places
    return found


def spectra(tensors: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Singular values of each matrix, falling."""
    import torch

    found = {}
    for name, tensor in tensors.items():
        wide = tensor if tensor.shape[0] <= tensor.shape[1] else tensor.T
        # Those of a square of the shorter side are many times cheaper than the matrix's own.
        squares = torch.linalg.eigvalsh(wide @ wide.T).clamp(min=0)
        found[name] = squares.flip(0).sqrt().double().cpu().numpy()
    return found


def allot(gains: Sequence[ArrayLike], costs: Sequence[int], budget: int) -> list[int]:
    """How many of each list's falling gains to take, at its cost each, so that the costs stay within ``budget``.

    Takes the largest gain for its cost that still fits, of equals the first; what is left pays for none.
    """
    each = [np.asarray(gain, dtype=np.float64) / cost for gain, cost in zip(gains, costs, strict=True)]
    owner = np.repeat(np.arange(len(each)), [len(gain) for gain in each])
    taken, closed = [0] * len(each), [False] * len(each)
    for index in np.argsort(-np.concatenate(each), kind="stable") if len(owner) else []:
        which = int(owner[index])
        if closed[which] or costs[which] > budget:
            closed[which] = True
            continue
        taken[which] += 1
        budget -= costs[which]
    return taken
