"""Cut a model to a smaller one, as a run file's ``shrink`` says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from bridge_distill.config import Shrink
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model
from bridge_distill.models.shrink.embeddings import tie, trim_vocabulary
from bridge_distill.models.shrink.family import check_family
from bridge_distill.models.shrink.fresh import fresh
from bridge_distill.models.shrink.layers import check_layers, keep_layers, positions
from bridge_distill.models.shrink.measure import calibration_rows, losses_without, measure
from bridge_distill.models.shrink.narrow import groups_of, mlp_width, narrow_heads, narrow_mlp


def cut(model: Model, shrink: Shrink, texts: Iterable[str], place: str) -> Model:
    """Cut a model in place; ``texts`` are those whose tokens must stay whole, and show which parts matter.

    What matters is measured on the whole base, before any layer goes. ``place`` is the section's dotted path;
    raises ``UserError`` for what this base cannot be cut to.
    """
    config = model.network.config
    if (shrink.layers, shrink.mlp, shrink.heads, shrink.size) != (None, None, None, None):
        check_family(model.network, place)
    if shrink.layers is not None:
        check_layers(shrink.layers, config.num_hidden_layers, place)
    width = None if shrink.mlp is None else mlp_width(shrink.mlp, config, place)
    groups = None if shrink.heads is None else groups_of(shrink.heads, config, place)
    measured = width is not None or groups is not None or shrink.layer_choice != "spaced"
    texts = list(texts) if measured else texts
    if shrink.vocabulary == "task":
        trim_vocabulary(model, texts, shrink.common_tokens, place)
    if shrink.tie:
        tie(model.network)
    if shrink.size is not None:
        model.network = fresh(model.network, shrink.size, place)
    elif measured:
        _cut_by_worth(model.network, shrink, _rows(model, shrink, texts, place), width, groups)
    elif shrink.layers is not None:
        keep_layers(model.network, positions(shrink, config.num_hidden_layers, list))
    return model


def _cut_by_worth(
    network: Any, shrink: Shrink, rows: Sequence[Sequence[int]], width: int | None, groups: int | None
) -> None:
    found = cache(lambda: measure(network, rows))

    def worth() -> Sequence[float]:
        by_angle = shrink.layer_choice == "angular"
        return list(found().angles.tolist()) if by_angle else losses_without(network, rows)

    kept = positions(shrink, network.config.num_hidden_layers, worth)
    units = None if width is None else found().units[kept]
    heads = None if groups is None else found().groups[kept]
    keep_layers(network, kept)
    if width is not None:
        narrow_mlp(network, units, width)
    if groups is not None:
        narrow_heads(network, heads, groups)


def _rows(model: Model, shrink: Shrink, texts: Iterable[str], place: str) -> list[list[int]]:
    rows = calibration_rows(model, list(texts), shrink.calibration)
    if not rows:
        raise UserError(place, "there is no text to measure what matters on", "give texts of two tokens or more")
    return rows
