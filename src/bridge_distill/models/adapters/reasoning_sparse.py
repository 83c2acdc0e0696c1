"""A small share of the weights, placed where the loss on reasoning depends on them most.

The gradient of the loss on reasoning tokens (``models.reasoning``) over some examples says where. For steps of
one size in each weight, as Adam's first are, the loss falls by the sum of the gradient's sizes at the weights
that move, so the best places are those where it is largest. ReasonBridge (arXiv 2506.22865) names a sparse
adapter of 0.3% of the parameters without saying how its places are found; this is our reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bridge_distill.config import Positive, Share
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import Adapting, adapters
from bridge_distill.models.adapters.lora import SCALE
from bridge_distill.models.load import Model
from bridge_distill.models.reasoning import Row, reasoning_rows
from bridge_distill.models.saliency import allot, gradients, largest, spectra
from bridge_distill.models.train import Example
from bridge_distill.section import Section

# By layer: the flat places of single weights, or one rank.
Chosen = Mapping[str, NDArray[np.int64]]


class ReasoningSparseOptions(Section):
    """``share`` of all parameters that may be trained; ``calibration`` is the number of examples that are read.

    ``sparse`` tunes single weights, ``ranks`` low-rank adapters whose ranks differ by layer.
    """

    method: Literal["sparse", "ranks"] = "sparse"
    share: Share = 0.003
    calibration: Positive = 64


@adapters.register("reasoning-sparse")
class ReasoningSparse(Adapting[ReasoningSparseOptions]):
    """``sparse`` trains exactly the share, in whole weights; ``ranks`` as much of it as whole ranks fill."""

    options = ReasoningSparseOptions

    def __call__(self, model: Model, examples: Sequence[Example]) -> Any:
        """Read the gradient, choose, wrap. Raises ``UserError`` where nothing can be chosen."""
        chosen = self._kept(lambda: self._choose(model, examples))
        return sparse(model.network, chosen) if self.settings.method == "sparse" else ranks(model.network, chosen)

    def _choose(self, model: Model, examples: Sequence[Example]) -> Chosen:
        rows = spread(reasoning_rows(model, examples), self.settings.calibration)
        if not rows:
            problem = "no rationale has a step before its answer, so there is no reasoning to go by"
            raise UserError(f"{self.place}.kind", problem, "choose full or lora")
        count = int(self.settings.share * model.parameters)
        choose = sparse_places if self.settings.method == "sparse" else allotted_ranks
        return choose(gradients(model, rows), count, f"{self.place}.options.share")

    def _kept(self, choose: Callable[[], Chosen]) -> Chosen:
        """The choice of a training that was killed, which other threads or another device would make otherwise."""
        from safetensors.numpy import load_file, save_file

        if self.scratch is None:
            return choose()
        file = self.scratch / "places.safetensors"
        if not file.exists():
            self.scratch.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            save_file(dict(choose()), partial)
            partial.replace(file)
        found: Chosen = load_file(file)
        return {name: found[name] for name in sorted(found)}


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most ``count`` rows, evenly spaced."""
    count = min(count, len(rows))
    return [rows[index * len(rows) // count] for index in range(count)]


def sparse_places(gradient: Mapping[str, Any], count: int, place: str) -> Chosen:
    """The ``count`` flat places of the largest sizes over all layers together."""
    most = sum(tensor.numel() for tensor in gradient.values())
    if not 1 <= count <= most:
        raise UserError(
            place,
            f"comes to {count} weights; the linear layers hold {most}",
            "ask for at least 1 and at most all of them",
        )
    return largest(gradient, count)


def sparse(network: Any, chosen: Chosen) -> Any:
    """A sparse, high-rank delta at some places of each layer (SHiRA, Bhardwaj et al. 2024, arXiv 2406.13175).

    PEFT's own places are a multiple of rows and columns in every layer; ours lie anywhere.
    """
    from peft import ShiraConfig, get_peft_model

    settings: Any = ShiraConfig(r=1, target_modules=list(chosen), task_type="CAUSAL_LM")
    settings.mask_fn = None  # a mask must hold a multiple of rows and columns; ours does not
    wrapped = get_peft_model(network, settings)
    for name, places in chosen.items():
        _place(wrapped.get_submodule(f"base_model.model.{name}"), places)
    return wrapped


def _place(layer: Any, places: NDArray[np.int64]) -> None:
    import torch

    checks: Any = torch.sparse.check_sparse_tensor_invariants
    checks.disable()  # torch warns until someone says so; the places are sound
    device = layer.base_layer.weight.device
    indices = np.stack(np.divmod(places, layer.in_features)).astype(np.int32)
    layer.shira_indices["default"] = torch.from_numpy(indices).to(device)
    layer.shira_weight["default"] = torch.nn.Parameter(torch.zeros(len(places), device=device))


def allotted_ranks(gradient: Mapping[str, Any], count: int, place: str) -> Chosen:
    """The rank of each layer's low-rank delta, of at most ``count`` weights in all, by the gradient's singular values.

    Along its k-th singular direction the loss falls by the k-th singular value, for rows + columns weights.
    """
    costs = [sum(tensor.shape) for tensor in gradient.values()]
    allotted = allot(list(spectra(gradient).values()), costs, count)
    found = {name: np.array([rank]) for name, rank in zip(gradient, allotted, strict=True) if rank}
    if not found:
        problem = f"comes to {count} weights; the cheapest layer's first rank takes {min(costs)}"
        raise UserError(place, problem, "raise it, or set method to sparse")
    return found


def ranks(network: Any, chosen: Chosen) -> Any:
    """Low-rank adapters of each layer's own rank."""
    from peft import LoraConfig, get_peft_model

    ranks_of = {name: int(rank[0]) for name, rank in chosen.items()}
    settings = LoraConfig(
        r=1,
        lora_alpha=SCALE,
        rank_pattern=ranks_of,
        alpha_pattern={name: SCALE * rank for name, rank in ranks_of.items()},
        lora_dropout=0.0,
        target_modules=list(ranks_of),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(network, settings)
