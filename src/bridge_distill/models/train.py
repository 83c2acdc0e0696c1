"""Supervised fine-tuning through TRL: the only module that touches it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge_distill.engine.progress import progress
from bridge_distill.models.load import Model
from bridge_distill.models.order import in_order
from bridge_distill.models.stopping import Losses, Validated, losses_of, stopped_at, stopping, validated
from bridge_distill.models.weighting import weighting

EVALUATIONS = 10
_COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Example:
    """What a model should write (``completion``) when it is asked (``prompt``).

    ``parts`` cut the completion into texts that each have a weight in the loss, the end counting to the last one;
    without them every token has weight 1. A part of weight 0 is read and not learnt.
    """

    prompt: str
    completion: str
    parts: tuple[tuple[str, float], ...] = ()


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
class Validation:
    """Examples that are not learnt: their loss is taken ``EVALUATIONS`` times in a whole training.

    It ends early once that has not fallen below its lowest for ``patience`` times; the weights of the lowest stay.
    """

    examples: Sequence[Example]
    patience: int


@dataclass(frozen=True)
class Trained:
    """What a training did; ``tokens`` are real ones, padding left out; ``losses`` are (step, weighted mean nats)."""

    examples: int
    too_long: int
    steps: int
    tokens: int
    trained_parameters: int
    losses: Losses
    validation: Validated | None = None

    def figures(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {name: value for name, value in _plain(asdict(self)).items() if value is not None}


def fine_tune(
    model: Model,
    examples: Sequence[Example],
    training: Training,
    checkpoints: Path,
    label: str,
    validation: Validation | None = None,
) -> Trained:
    """Tune ``model.network`` in place on completions only; resumes from ``checkpoints``.

    Examples over ``max_tokens`` are left out and counted, never cut: a cut completion would teach a
    model not to stop. Every step's batch is fixed by the seed before training starts, so a resumed
    training ends with the same weights. Raises ``ValueError`` if no example is short enough.
    """
    rows = _rows(model, examples, training)
    held_out = [] if validation is None else _rows(model, validation.examples, training)
    trainable = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    last = _last_complete(checkpoints)
    ended = None if validation is None else stopped_at(last, validation.patience)
    order = in_order([len(row["input_ids"]) for row in rows], training.steps, training.batch, training.seed)
    order = order[: (ended or training.steps) * training.batch]
    with progress(label, training.steps) as tick:
        settings = _settings(model, training, checkpoints, ended, validation is not None)
        trainer = _trainer(model, rows, order, held_out, settings)
        for callback in _callbacks(tick, training, validation):
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=last)
    model.network = trainer.accelerator.unwrap_model(trainer.model).eval()
    return Trained(
        len(rows),
        len(examples) - len(rows),
        trainer.state.global_step,
        sum(len(rows[i]["input_ids"]) for i in order[: trainer.state.global_step * training.batch]),
        trainable,
        losses_of(trainer.state.log_history, "loss"),
        None if validation is None else validated(len(held_out), trainer.state.log_history),
    )


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _rows(model: Model, examples: Sequence[Example], training: Training) -> list[dict[str, list[Any]]]:
    encoded = (_encode(model, example) for example in examples)
    rows = [row for row in encoded if len(row["input_ids"]) <= training.max_tokens]
    if not rows:
        raise ValueError(f"none of {len(examples)} examples fits into {training.max_tokens} tokens")
    return rows


def _encode(model: Model, example: Example) -> dict[str, list[Any]]:
    prompt = model.prompt_ids(example.prompt)
    weighted = any(weight != 1 for _, weight in example.parts)
    found = model.tokenizer(example.completion, add_special_tokens=False, return_offsets_mapping=weighted)
    completion = [*found["input_ids"], model.tokenizer.eos_token_id]
    weights = _token_weights(example, found["offset_mapping"]) if weighted else [1.0] * len(completion)
    labels = [token if weight else -100 for token, weight in zip(completion, weights, strict=True)]
    return {
        "input_ids": prompt + completion,
        "labels": [-100] * len(prompt) + labels,
        "weights": [0.0] * len(prompt) + weights,
    }


def _token_weights(example: Example, offsets: Sequence[tuple[int, int]]) -> list[float]:
    """The weight of the part in which each token starts, and that of the last part for the end token."""
    ends = np.cumsum([len(part) for part, _ in example.parts])
    if "".join(part for part, _ in example.parts) != example.completion:
        raise ValueError("the parts of an example are not its completion")
    places = np.searchsorted(ends, [start for start, _ in offsets], side="right")
    return [example.parts[min(place, len(ends) - 1)][1] for place in [*places.tolist(), len(ends)]]


def _settings(model: Model, training: Training, checkpoints: Path, ended: int | None, validated: bool) -> Any:
    """``ended`` is the step at which the training has ended early already: then none is left to do."""
    from trl.trainer.sft_config import SFTConfig

    on_cpu = model.network.device.type == "cpu"
    between = max(1, -(-training.steps // EVALUATIONS))
    stopping_early = {
        "eval_strategy": "steps",
        "eval_steps": between,
        "save_steps": between,
        "per_device_eval_batch_size": training.batch,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
    }
    return SFTConfig(
        output_dir=str(checkpoints),
        max_steps=ended or training.steps,
        per_device_train_batch_size=training.batch,
        learning_rate=training.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, training.steps // 20),
        seed=training.seed,
        max_length=None,
        train_sampling_strategy="sequential",
        pad_to_multiple_of=None,
        use_cpu=on_cpu,
        bf16=not on_cpu,
        activation_checkpointing=False,
        dataloader_pin_memory=not on_cpu,
        logging_steps=max(1, training.steps // 40),
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        **(stopping_early if validated else {"save_steps": training.save_steps}),
    )


def _trainer(
    model: Model,
    rows: list[dict[str, list[Any]]],
    order: list[int],
    held_out: list[dict[str, list[Any]]],
    settings: Any,
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl.trainer.sft_trainer import SFTTrainer

    weighted = any(weight not in (0, 1) for row in [*rows, *held_out] for weight in row["weights"])
    columns = ["input_ids", "labels", *(["weights"] if weighted else [])]

    def dataset(chosen: list[dict[str, list[Any]]]) -> Any:
        return Dataset.from_list([{name: row[name] for name in columns} for row in chosen])

    trainer = (weighting(SFTTrainer) if weighted else SFTTrainer)(
        model=model.network,
        args=settings,
        train_dataset=dataset(rows).select(order),
        eval_dataset=dataset(held_out) if held_out else None,
        processing_class=model.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _callbacks(tick: Any, training: Training, validation: Validation | None) -> list[Any]:
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        """Advance the bar, ask for checkpoints, and mark one once all of its files are written."""

        seen = 0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            tick(state.global_step - self.seen)
            self.seen = state.global_step
            control.should_save |= state.global_step % training.save_steps == 0

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()

    return [Follow(), *([] if validation is None else [stopping(validation.patience)])]


def _last_complete(checkpoints: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    complete = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / _COMPLETE).exists():
            complete.append(folder)
        else:
            shutil.rmtree(folder)
    return str(max(complete, key=lambda folder: int(folder.name.split("-")[1]))) if complete else None
