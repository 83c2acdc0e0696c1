"""Early stopping: a training ends where texts that were held out have not become likelier for a while."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Losses = list[tuple[int, float]]


@dataclass(frozen=True)
class Validated:
    """How many held-out examples were read, their loss as (step, nats), and the step whose weights stay."""

    examples: int
    losses: Losses
    best_step: int


def validated(examples: int, history: Sequence[dict[str, Any]]) -> Validated:
    """What a trainer's log says of held-out examples; of equal losses the first is the best."""
    losses = losses_of(history, "eval_loss")
    return Validated(examples, losses, min(losses, key=lambda point: (point[1], point[0]))[0])


def losses_of(history: Sequence[dict[str, Any]], name: str) -> Losses:
    """The (step, mean nats) of one loss in a trainer's log."""
    return [(int(entry["step"]), float(entry[name])) for entry in history if name in entry]


def stopped_at(checkpoint: str | None, patience: int) -> int | None:
    """The step at which the training of a checkpoint had ended early; None where it had not."""
    if checkpoint is None:
        return None
    state = json.loads((Path(checkpoint) / "trainer_state.json").read_text())
    ended = _unimproved(losses_of(state["log_history"], "eval_loss")) >= patience
    return int(state["global_step"]) if ended else None


def stopping(patience: int) -> Any:
    """transformers' early stopping, which goes on counting where a killed training stood."""
    from transformers import EarlyStoppingCallback

    class Stopping(EarlyStoppingCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            parent: Any = super()
            parent.on_train_begin(args, state, control, **given)
            self.early_stopping_patience_counter = _unimproved(losses_of(state.log_history, "eval_loss"))
            if state.best_global_step:  # the folder may have been moved since
                state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{state.best_global_step}")

    return Stopping(patience)


def _unimproved(losses: Losses) -> int:
    """How many of the last losses were not below all before them."""
    lowest, count = math.inf, 0
    for _, loss in losses:
        lowest, count = (loss, 0) if loss < lowest else (lowest, count + 1)
    return count
