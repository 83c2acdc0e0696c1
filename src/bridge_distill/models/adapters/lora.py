"""Low-rank adapters on every linear layer (Hu et al. 2021, arXiv 2106.09685), through PEFT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge_distill.config import Positive
from bridge_distill.models.adapters import Adapting, adapters
from bridge_distill.models.load import Model
from bridge_distill.models.train import Example
from bridge_distill.section import Section

SCALE = 2
RSLORA_ALPHA = 16


class LoraOptions(Section):
    """``rslora`` scales by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732) instead of alpha / rank.

    ``dora`` tunes the length of each weight row beside its direction (Liu et al. 2024, arXiv 2402.09353). An
    ``alpha`` of None is twice the rank, with ``rslora`` 16.
    """

    rank: Positive = 32
    alpha: Positive | None = None
    rslora: bool = False
    dora: bool = False


@adapters.register("lora")
class Lora(Adapting[LoraOptions]):
    """No dropout, so that a run repeats exactly."""

    options = LoraOptions

    def __call__(self, model: Model, examples: Sequence[Example]) -> Any:
        """Wrap the network; only the adapter is trainable."""
        from peft import LoraConfig, get_peft_model

        chosen = self.settings
        alpha = chosen.alpha or (RSLORA_ALPHA if chosen.rslora else SCALE * chosen.rank)
        settings = LoraConfig(
            r=chosen.rank,
            lora_alpha=alpha,
            lora_dropout=0.0,
            use_rslora=chosen.rslora,
            use_dora=chosen.dora,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        return get_peft_model(model.network, settings)
