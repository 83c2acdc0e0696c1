"""The optimizer's steps, through transformers' trainer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill.engine.progress import Tick
from bridge_distill.models.train.batches import Collator, HeldOut, Steps
from bridge_distill.models.train.checkpoints import mark_complete
from bridge_distill.models.train.examples import Row
from bridge_distill.models.train.objective import Objective
from bridge_distill.models.train.stopping import stopping

EVALUATIONS = 10


@dataclass(frozen=True)
class Training:
    """One training: exact optimizer ``steps`` of ``batch`` examples; linear warm-up, then cosine decay."""

    steps: int
    batch: int
    learning_rate: float
    max_tokens: int
    save_steps: int
    seed: int


@dataclass(frozen=True)
class Job:
    """All that a training comes from: each process that shares it gets a copy.

    ``order`` names a row for each place of each step. ``last`` is the checkpoint to go on from, ``ended`` the step at
    which the training has ended early already, ``patience`` is for the ``held_out`` rows, where there are any.
    """

    network: Any
    rows: list[Row]
    order: list[int]
    held_out: list[Row]
    patience: int
    objective: Objective
    padding: int
    training: Training
    checkpoints: Path
    last: str | None
    ended: int | None


def run(job: Job, processes: int, tick: Tick) -> tuple[Any, Any]:
    """Train ``job.network`` in place, together with all other ``processes``; the network and the trainer's state."""
    from transformers import PrinterCallback

    batch = job.training.batch
    trainer = _trainer_class()(
        objective=job.objective,
        model=job.network,
        args=_settings(job, processes),
        data_collator=Collator(job.padding, job.objective),
        train_dataset=Steps(job.rows, job.order, batch),
        eval_dataset=HeldOut(job.held_out, batch) if job.held_out else None,
        callbacks=_callbacks(job, tick),
    )
    trainer.remove_callback(PrinterCallback)
    # Sharded training takes the network apart; its pieces are put together in a copy.
    whole = copy.deepcopy(job.network) if trainer.is_fsdp_enabled else None
    trainer.train(resume_from_checkpoint=job.last)
    if whole is None:
        return trainer.accelerator.unwrap_model(trainer.model).eval(), trainer.state
    found = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.is_world_process_zero():
        whole.load_state_dict(found)
    return whole.eval(), trainer.state


def _settings(job: Job, processes: int) -> Any:
    from transformers import TrainingArguments

    training, on_cpu = job.training, job.network.device.type == "cpu"
    between = max(1, -(-training.steps // EVALUATIONS))
    stopping_early = {
        "eval_strategy": "steps",
        "eval_steps": between,
        "save_steps": between,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
    }
    return TrainingArguments(
        output_dir=str(job.checkpoints),
        max_steps=job.ended or training.steps,
        per_device_train_batch_size=training.batch // processes,
        per_device_eval_batch_size=training.batch // processes,
        learning_rate=training.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, training.steps // 20),
        seed=training.seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        prediction_loss_only=True,
        use_cpu=on_cpu,
        bf16=not on_cpu,
        dataloader_pin_memory=not on_cpu,
        logging_steps=max(1, training.steps // 40),
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        **(stopping_early if job.held_out else {"save_steps": training.save_steps}),
    )


def _trainer_class() -> Any:
    from transformers import Trainer

    class CompletionTrainer(Trainer):
        """Logits only where a token is learnt, and the mean of its losses over the whole step."""

        def __init__(self, *, objective: Objective, **given: Any) -> None:
            super().__init__(**given)
            self._objective = objective

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            network = self.accelerator.unwrap_model(model)
            inputs = self._objective.prepared(network, inputs, self.state.global_step)
            with _logits_at(network, inputs["places"]):
                outputs = model(input_ids=inputs["input_ids"], use_cache=False)
            losses = self._objective.losses(outputs.logits.float(), inputs["targets"], inputs["columns"])
            # Processes take the mean of their gradients; the mean over the step's tokens is the sum of their shares.
            loss = (losses * inputs["weights"]).sum() / inputs["scale"] * self.accelerator.num_processes
            return (loss, outputs) if return_outputs else loss

        def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
            import torch

            with torch.no_grad():
                return self.compute_loss(model, self._prepare_inputs(inputs)), None, None

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # counting all parameters at every step is not free, and nobody reads it

    return CompletionTrainer


@contextmanager
def _logits_at(network: Any, places: Any) -> Iterator[None]:
    """Let the output layer read the hidden states at flat ``places`` only, so that logits are (n, vocabulary)."""
    head = network.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0].flatten(0, 1)[places],))
    try:
        yield
    finally:
        handle.remove()


def _callbacks(job: Job, tick: Tick) -> list[Any]:
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        """Advance the bar, ask for checkpoints, and mark one once all of its files are written."""

        seen = 0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            tick(state.global_step - self.seen)
            self.seen = state.global_step
            control.should_save |= state.global_step % job.training.save_steps == 0

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")

    return [Follow(), *([stopping(job.patience)] if job.held_out else [])]
