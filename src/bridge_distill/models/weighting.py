"""Tokens that count differently in the loss of a supervised training."""

from __future__ import annotations

from typing import Any


def weighting(trainer: Any) -> Any:
    """A supervised trainer class of TRL's whose loss is a weighted mean, by a column ``weights`` beside ``labels``."""

    class WeightingTrainer(trainer):  # type: ignore[misc]
        data_collator: Any
        _signature_columns: Any

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.data_collator = _Collator(self.data_collator)

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            self._signature_columns = [*dict.fromkeys([*self._signature_columns, "weights"])]

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            weights = inputs.pop("weights")[:, 1:]
            outputs = model(**inputs, use_cache=False, fused_lm_head=True)
            weights = weights * outputs.label_mask
            loss = -(outputs.log_probs * weights).sum() / weights.sum().clamp(min=1e-9)
            return (loss, outputs) if return_outputs else loss

    return WeightingTrainer


class _Collator:
    """TRL's collator, and the weights padded like the labels."""

    def __init__(self, collator: Any) -> None:
        self._collate = collator

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        batch: dict[str, Any] = self._collate([{k: v for k, v in row.items() if k != "weights"} for row in rows])
        width = batch["labels"].shape[1]
        padded = [row["weights"] + [0.0] * (width - len(row["weights"])) for row in rows]
        return {**batch, "weights": torch.tensor(padded)}
