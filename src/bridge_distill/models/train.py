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
from bridge_distill.models.weighting import weighting

MEGABATCH = 16
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
class Trained:
    """What a training did; ``tokens`` are real ones, padding left out; ``losses`` are (step, weighted mean nats)."""

    examples: int
    too_long: int
    steps: int
    tokens: int
    trained_parameters: int
    losses: list[tuple[int, float]]

    def figures(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {**asdict(self), "losses": [list(point) for point in self.losses]}


def fine_tune(model: Model, examples: Sequence[Example], training: Training, checkpoints: Path, label: str) -> Trained:
    """Tune ``model.network`` in place on completions only; resumes from ``checkpoints``.

    Examples over ``max_tokens`` are left out and counted, never cut: a cut completion would teach a
    model not to stop. Every step's batch is fixed by the seed before training starts, so a resumed
    training ends with the same weights. Raises ``ValueError`` if no example is short enough.
    """
    rows = [
        row for row in (_encode(model, example) for example in examples) if len(row["input_ids"]) <= training.max_tokens
    ]
    if not rows:
        raise ValueError(f"none of {len(examples)} examples fits into {training.max_tokens} tokens")
    order = _order([len(row["input_ids"]) for row in rows], training)
    trainable = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    with progress(label, training.steps) as tick:
        trainer = _trainer(model, rows, order, training, checkpoints, tick)
        trainer.train(resume_from_checkpoint=_last_complete(checkpoints))
    losses = [(int(entry["step"]), float(entry["loss"])) for entry in trainer.state.log_history if "loss" in entry]
    model.network = trainer.accelerator.unwrap_model(trainer.model).eval()
    tokens = sum(len(rows[i]["input_ids"]) for i in order)
    return Trained(len(rows), len(examples) - len(rows), training.steps, tokens, trainable, losses)


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


def _order(lengths: Sequence[int], training: Training) -> list[int]:
    """Row numbers in training order, ``steps * batch`` of them.

    Passes over all rows, each newly shuffled; within ``MEGABATCH`` batches rows of like length meet, to save
    padding, and the batches are shuffled again so that length does not become a schedule.
    """
    draw = np.random.default_rng(training.seed)
    needed = training.steps * training.batch
    stream = np.concatenate([draw.permutation(len(lengths)) for _ in range(-(-needed // len(lengths)))])[:needed]
    groups: list[list[int]] = []
    for start in range(0, needed, MEGABATCH * training.batch):
        part = sorted(stream[start : start + MEGABATCH * training.batch].tolist(), key=lambda i: lengths[i])
        cuts = [part[i : i + training.batch] for i in range(0, len(part), training.batch)]
        groups += [cuts[i] for i in draw.permutation(len(cuts))]
    return [i for group in groups for i in group]


def _trainer(
    model: Model, rows: list[dict[str, list[Any]]], order: list[int], training: Training, checkpoints: Path, tick: Any
) -> Any:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    on_cpu = model.network.device.type == "cpu"
    settings = SFTConfig(
        output_dir=str(checkpoints),
        max_steps=training.steps,
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
        save_steps=training.save_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
    )
    weighted = any(weight not in (0, 1) for row in rows for weight in row["weights"])
    columns = ["input_ids", "labels", *(["weights"] if weighted else [])]
    dataset = Dataset.from_list([{name: row[name] for name in columns} for row in rows]).select(order)
    trainer = (weighting(SFTTrainer) if weighted else SFTTrainer)(
        model=model.network,
        args=settings,
        train_dataset=dataset,
        processing_class=model.tokenizer,
        callbacks=[_callback(tick)],
    )
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _callback(tick: Any) -> Any:
    from transformers import TrainerCallback

    class Follow(TrainerCallback):
        """Advance the bar, and mark a checkpoint once all of its files are written."""

        seen = 0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            tick(state.global_step - self.seen)
            self.seen = state.global_step

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _COMPLETE).touch()

    return Follow()


def _last_complete(checkpoints: Path) -> str | None:
    """The newest checkpoint that was written to its end; half-written ones are removed."""
    complete = []
    for folder in checkpoints.glob("checkpoint-*"):
        if (folder / _COMPLETE).exists():
            complete.append(folder)
        else:
            shutil.rmtree(folder)
    return str(max(complete, key=lambda folder: int(folder.name.split("-")[1]))) if complete else None
