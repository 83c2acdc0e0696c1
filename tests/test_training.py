"""Training: the loss of the plain path, orders and objectives of one's own, plain text, and several processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bridge_distill import practice, prompts
from bridge_distill.config import Compute
from bridge_distill.engine.stage import read_record
from bridge_distill.engine.together import check_batch
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.train import Example, Trained, Training, Validation, fine_tune
from bridge_distill.models.train.objective import Likelihood
from tiny import tree, write

QUESTIONS = [q for level in (0.0, 1.0) for q in practice.make("legal", 4, 3, level)]
EXAMPLES = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]
LONG = Example("x " * 400, "y")
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]


class Seen(Likelihood):
    """The likelihood, ``times`` as large, that notes which examples came and that columns stand beside their tokens."""

    def __init__(self, ids: list[list[int]], times: float = 1.0) -> None:
        self.ids, self.times, self.came = ids, times, list[int]()

    def columns(self, example: int) -> Mapping[str, Any]:
        self.came.append(example)
        return {"token": np.array(self.ids[example]), "pair": np.tile(np.array(self.ids[example])[:, None], 2)}

    def losses(self, logits: Any, targets: Any, columns: Mapping[str, Any]) -> Any:
        assert torch.equal(columns["token"], targets)
        assert torch.equal(columns["pair"], targets[:, None].expand(-1, 2))
        return self.times * super().losses(logits, targets, columns)


def completion_ids(model: Model, example: Example) -> list[int]:
    return [
        *model.tokenizer(example.completion, add_special_tokens=False)["input_ids"],
        model.tokenizer.eos_token_id,
    ]


def seen(model: Model, examples: list[Example], times: float = 1.0) -> Seen:
    return Seen([completion_ids(model, example) for example in examples], times)


def trained(model: Model, folder: Path, training: Training, **more: Any) -> Trained:
    set_seed(0)
    return fine_tune(model, more.pop("examples", EXAMPLES), training, folder, "t", **more)


def plain_loss(model: Model, examples: list[Example]) -> Any:
    """The mean loss of all completion tokens, one example after the other and without any padding."""
    total, count = torch.zeros(()), 0
    for example in examples:
        prompt, completion = model.prompt_ids(str(example.prompt)), completion_ids(model, example)
        logits = model.network(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(completion), reduction="sum")
        count += len(completion)
    return total / count


def family(name: str, base: Path) -> Model:
    """A tiny model of random weights with the tokenizer of the base."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model = load(str(base), Compute(), "base")
    if name != "llama":
        config = AutoConfig.for_model(
            name,
            vocab_size=len(model.tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            pad_token_id=model.tokenizer.pad_token_id,
        )
        torch.manual_seed(0)
        model.network = AutoModelForCausalLM.from_config(config)
    return model


@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2"])
def test_a_padded_step_has_the_loss_and_the_gradients_of_the_plain_path(
    tiny_base: Path, tmp_path: Path, name: str
) -> None:
    model = family(name, tiny_base)
    loss = plain_loss(model, EXAMPLES)
    loss.backward()
    plain = {key: p.grad.clone() for key, p in model.network.named_parameters()}
    model.network.zero_grad()
    found: dict[str, torch.Tensor] = {}
    for key, parameter in model.network.named_parameters():
        parameter.register_hook(lambda gradient, key=key: found.__setitem__(key, gradient.clone()))
    done = trained(model, tmp_path, Training(1, len(EXAMPLES), 1e-3, 500, 100, 0), order=range(len(EXAMPLES)))
    assert done.losses[0][1] == pytest.approx(float(loss.detach()), rel=1e-4)
    for key, gradient in plain.items():
        torch.testing.assert_close(found[key], gradient, atol=2e-6, rtol=1e-3)


def test_examples_are_learnt_in_the_order_given_and_again_where_it_is_short(tiny_base: Path, tmp_path: Path) -> None:
    model = load(str(tiny_base), Compute(), "base")
    objective = seen(model, EXAMPLES)
    done = trained(model, tmp_path, Training(3, 2, 1e-3, 500, 100, 0), order=[3, 1, 2], objective=objective)
    assert objective.came == [3, 1, 2, 3, 1, 2]
    lengths = [len(model.prompt_ids(str(e.prompt)) + completion_ids(model, e)) for e in EXAMPLES]
    assert done.tokens == 2 * (lengths[1] + lengths[2] + lengths[3])


def test_examples_that_are_too_long_are_left_out_of_an_order(tiny_base: Path, tmp_path: Path) -> None:
    model, rows = load(str(tiny_base), Compute(), "base"), [LONG, *EXAMPLES]
    objective, training = seen(model, rows), Training(1, 2, 1e-3, 500, 100, 0)
    done = trained(model, tmp_path / "a", training, examples=rows, order=[0, 2, 1], objective=objective)
    assert (objective.came, done.too_long) == ([2, 1], 1)
    with pytest.raises(ValueError, match="none of the 1 examples"):
        trained(model, tmp_path / "b", training, examples=rows, order=[0])


def test_an_objective_of_ones_own_is_what_is_minimised(tiny_base: Path, tmp_path: Path) -> None:
    training = Training(1, 4, 1e-3, 500, 100, 0)
    one, two = (load(str(tiny_base), Compute(), "base") for _ in range(2))
    plain = trained(one, tmp_path / "a", training)
    triple = trained(two, tmp_path / "b", training, objective=seen(two, EXAMPLES, 3.0))
    assert triple.losses[0][1] == pytest.approx(3 * plain.losses[0][1], rel=1e-4)


def test_plain_text_is_learnt_from_its_second_token_to_its_end(tiny_base: Path, tmp_path: Path) -> None:
    model, text = load(str(tiny_base), Compute(), "base"), Example(None, EXAMPLES[0].completion)
    ids = completion_ids(model, text)
    with torch.no_grad():
        logits = model.network(torch.tensor([ids])).logits[0, :-1]
    expected = float(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:])))
    done = trained(
        model,
        tmp_path,
        Training(1, 1, 1e-3, 500, 100, 0),
        examples=[text],
    )
    assert (done.losses[0][1], done.tokens) == (pytest.approx(expected, rel=1e-3), len(ids))


def test_the_held_out_loss_is_the_mean_over_all_tokens_of_the_weights_that_stay(
    tiny_base: Path, tmp_path: Path
) -> None:
    model = load(str(tiny_base), Compute(), "base")
    held_out = EXAMPLES[:3]  # not whole batches
    done = trained(
        model,
        tmp_path,
        Training(4, 2, 1e-3, 500, 100, 0),
        examples=EXAMPLES[3:],
        validation=Validation(held_out, 10),
    )
    assert done.validation is not None
    assert done.validation.examples == 3
    with torch.no_grad():
        expected = float(plain_loss(model, held_out))
    assert min(loss for _, loss in done.validation.losses) == pytest.approx(expected, rel=1e-4)


def launched(folder: Path, base: Path, processes: int, **student: Any) -> subprocess.CompletedProcess[str]:
    """Run a small run file up to its student, as so many processes."""
    plain = {
        "assistant": None,
        "tutor": None,
        "arms": {},
        "score": {"signals": ["length"], "difficulty": {"prompt_tokens": 1}},
    }
    made = tree(base, **plain)
    made["student"] |= {"steps": 6, "batch": 4, **student}
    file = write(folder, made)
    start = [sys.executable] if processes == 1 else [*LAUNCH, "--main_process_port", "0"]
    words = [*start, "-m", "bridge_distill", "run", str(file), "--until", "student"]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)


def test_two_processes_make_the_student_of_one(tiny_base: Path, tmp_path: Path) -> None:
    found = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        done = launched(folder, tiny_base, processes)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("tiny/student: working") == 1
        stage = folder / "runs/tiny/student"
        found[processes] = (read_record(stage)["figures"], load_file(stage / "model/model.safetensors"))
    (alone, weights), (shared, others) = found[1], found[2]
    measured = {"phases": 0, "shrunk": 0}  # losses up to rounding, and milliseconds
    assert {**shared, **measured} == {**alone, **measured}
    for one, two in zip(alone["phases"], shared["phases"], strict=True):
        assert {**two, "losses": 0} == {**one, "losses": 0}
        assert two["losses"] == [pytest.approx(point, rel=1e-3) for point in one["losses"]]
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, atol=2e-3, rtol=1e-2)


def test_a_process_that_no_launcher_started_trains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_batch(3, "student.batch")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UserError, match=r"student\.batch: 3 examples a step cannot be shared out among 2 processes"):
        check_batch(3, "student.batch")


def test_a_step_that_cannot_be_shared_out_is_refused_and_ends_all_processes(tiny_base: Path, tmp_path: Path) -> None:
    done = launched(tmp_path, tiny_base, 2, batch=3)
    assert done.returncode != 0
    assert "bridge-distill: student.batch: 3 examples a step cannot be shared out among 2 processes" in done.stderr
    assert "working" not in done.stderr
