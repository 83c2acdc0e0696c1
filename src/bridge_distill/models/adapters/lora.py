"""Low-rank adapters on every linear layer (Hu et al. 2021, arXiv 2106.09685), through PEFT."""

from __future__ import annotations

from typing import Any

from bridge_distill.config import Adapter
from bridge_distill.models.adapters import adapters


@adapters.register("lora")
def lora(network: Any, adapter: Adapter) -> Any:
    """Wrap the network; scale 2 (alpha is twice the rank), no dropout, so that a run repeats exactly."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=adapter.rank,
        lora_alpha=2 * adapter.rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(network, settings)
