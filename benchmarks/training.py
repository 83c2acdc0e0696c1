"""How fast a student is trained, against TRL's ``SFTTrainer`` and against the GEMM floor, on the CPU.

All train copies of the demo's student on the same examples, as many a step, with the same schedule: ``fine_tune``;
``SFTTrainer`` as its defaults set it up, with the flags that a CPU needs (``use_cpu``, no bfloat16); and the same with
activation checkpointing off. They take turns, and a rate is that of real tokens (padding not counted) between the
starts of a training's first and last step, so that set-up is left out on all sides; figures are medians over the
turns. The floor is 6 operations a weight and token, at the rate of a 1024 x 1024 float32 product measured beside each
training. The loss is that of other questions afterwards, in nats a token of the explanation, since each side draws its
own batches.

    python benchmarks/training.py [--quick]
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bridge_distill import practice, prompts
from bridge_distill.config import Compute, Shrink
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import gemm_rate, set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Training, fine_tune

BATCH, LEARNING_RATE, MAX_TOKENS = 4, 1e-3, 512
HELD_OUT = 16


@dataclass
class Watch:
    """When each step began and how many tokens it read, padded and real."""

    padding: int
    starts: list[float] = field(default_factory=list)
    real: list[int] = field(default_factory=list)
    padded: list[int] = field(default_factory=list)

    def __call__(self, module: Any, given: Any, named: dict[str, Any]) -> None:
        """Note one step as it begins; a forward hook of the network."""
        self.starts.append(time.perf_counter())
        self.real.append(int((named["input_ids"] != self.padding).sum()))
        self.padded.append(named["input_ids"].numel())

    @property
    def rate(self) -> float:
        """Real tokens a second of all steps but the last, which has no end."""
        return sum(self.real[:-1]) / (self.starts[-1] - self.starts[0])


def examples(count: int) -> list[Example]:
    """Explained legal questions of 90 to 150 tokens, in mixed order."""
    levels = [practice.make("legal", -(-count // 3), 9, difficulty) for difficulty in (0.0, 0.3, 0.6)]
    asked = [question for group in zip(*levels, strict=True) for question in group][:count]
    return [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in asked]


def ours(model: Model, rows: list[Example], steps: int, seed: int, folder: Path) -> None:
    """Our own training."""
    fine_tune(model, rows, Training(steps, BATCH, LEARNING_RATE, MAX_TOKENS, 10 * steps, seed), folder, "ours")


def theirs(**more: Any) -> Callable[[Model, list[Example], int, int, Path], None]:
    """An ``SFTTrainer`` with its defaults and ``more``."""

    def train(model: Model, rows: list[Example], steps: int, seed: int, folder: Path) -> None:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

        settings = SFTConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="cosine",
            warmup_steps=max(1, steps // 20),
            save_strategy="no",
            seed=seed,
            use_cpu=True,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
            **more,
        )
        texts = [{"prompt": chat(model, row.prompt or ""), "completion": row.completion} for row in rows]
        SFTTrainer(
            model.network, settings, train_dataset=Dataset.from_list(texts), processing_class=model.tokenizer
        ).train()

    return train


def chat(model: Model, prompt: str) -> str:
    """The text that a prompt is asked in."""
    asked = [{"role": "user", "content": prompt}]
    return str(model.tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False))


SIDES = {"ours": ours, "trl": theirs(), "trl_no_checkpointing": theirs(activation_checkpointing=False)}


def loss_of(model: Model, rows: list[Example]) -> float:
    """Mean nats of the completions' tokens, by the plain path."""
    total, count = 0.0, 0
    for row in rows:
        prompt = model.prompt_ids(row.prompt or "")
        written = [*model.tokenizer(row.completion)["input_ids"], model.tokenizer.eos_token_id]
        with torch.inference_mode():
            logits = model.network(torch.tensor([prompt + written])).logits[0, len(prompt) - 1 : -1]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(written), reduction="sum"))
        count += len(written)
    return total / count


def turn(student: Model, rows: list[Example], steps: int, seed: int) -> dict[str, dict[str, float]]:
    """Each side once on a copy of the student."""
    found = {}
    for name, train in SIDES.items():
        model = Model(copy.deepcopy(student.network), copy.deepcopy(student.tokenizer))
        watch = Watch(model.tokenizer.pad_token_id)
        watching = model.network.register_forward_pre_hook(watch, with_kwargs=True)
        set_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            train(model, rows[HELD_OUT:], steps, seed, Path(folder))
        watching.remove()
        floor = gemm_rate() / (6 * model.parameters)
        found[name] = {
            "tokens_per_second": watch.rate,
            "padding": 1 - sum(watch.real) / sum(watch.padded),
            "loss": loss_of(model, rows[:HELD_OUT]),
            "share_of_floor": watch.rate / floor,
        }
    return found


def measure(student: Model, rows: list[Example], steps: int, turns: int) -> dict[str, Any]:
    """Medians over the turns, and of each turn's ratios."""
    done = [turn(student, rows, steps, seed) for seed in range(turns)]

    def median(value: Callable[[dict[str, dict[str, float]]], float]) -> float:
        return round(statistics.median(map(value, done)), 3)

    def figure(side: str, name: str) -> float:
        return median(lambda one: one[side][name])

    sides = {side: {name: figure(side, name) for name in done[0][side]} for side in SIDES}
    return {
        "parameters": student.parameters,
        "steps": steps,
        "turns": turns,
        **sides,
        "times_trl": median(lambda one: one["ours"]["tokens_per_second"] / one["trl"]["tokens_per_second"]),
        "times_trl_no_checkpointing": median(
            lambda one: one["ours"]["tokens_per_second"] / one["trl_no_checkpointing"]["tokens_per_second"]
        ),
        "share_of_floor": sides["ours"]["share_of_floor"],
        "loss_less_trl": median(lambda one: one["ours"]["loss"] - one["trl"]["loss"]),
    }


def main() -> None:
    """Measure once and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps, under 50 seconds")
    steps, turns = (6, 1) if parser.parse_args().quick else (24, 3)
    rows = examples(200)
    texts = [text for row in rows for text in (row.prompt or "", row.completion)]
    student = cut(
        load("smollm2-135m", Compute(device="cpu"), "base", trained=True),
        Shrink(layers=6, vocabulary="task"),
        texts,
        "shrink",
    )
    about = {"machine": f"{platform.machine()}, {torch.get_num_threads()} threads", "torch": torch.__version__}
    print(json.dumps({"benchmark": "training", **about, **measure(student, rows, steps, turns)}))


if __name__ == "__main__":
    main()
