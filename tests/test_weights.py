"""Weights of a completion's parts: what counts in the loss, what is only read, and that ones change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bridge_distill import practice, prompts
from bridge_distill.config import Adapter, Compute
from bridge_distill.models.adapters import make_adapter, merged
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.train import Example, Trained, Training, fine_tune
from bridge_distill.traces import Trace, levels, render

QUESTIONS = practice.make("legal", 8, 3, 0.0)
TRAINING = Training(6, 2, 1e-3, 400, 100, 7)


def traces() -> list[Trace]:
    found = [practice.trace(question.text, 0, False) for question in QUESTIONS]
    return [trace for trace in found if trace is not None]


def examples(strategy: float, tactics: float, answer: float) -> list[Example]:
    worth = {"strategy": strategy, "tactics": tactics, "answer": answer}
    return [
        Example(
            prompts.local(question),
            render(trace),
            tuple((part, worth[level]) for level, part in levels(render(trace), trace.strategy)),
        )
        for question, trace in zip(QUESTIONS, traces(), strict=True)
    ]


def plain(base: Path) -> Model:
    """A model whose prompts are plain text, so that a part can be moved from the completion to the prompt."""
    model = load(str(base), Compute(), "base")
    model.tokenizer.chat_template = None
    return model


def trained(model: Model, rows: list[Example], folder: Path, training: Training = TRAINING) -> Trained:
    set_seed(0)
    return fine_tune(model, rows, training, folder, "t")


def weights_of(model: Model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_weights_of_one_change_no_byte(tiny_base: Path, tmp_path: Path) -> None:
    with_parts, without = plain(tiny_base), plain(tiny_base)
    one = trained(with_parts, examples(1, 1, 1), tmp_path / "a")
    two = trained(without, [Example(e.prompt, e.completion) for e in examples(1, 1, 1)], tmp_path / "b")
    assert one == two
    left, right = weights_of(with_parts), weights_of(without)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("rest", [1.0, 3.0])
def test_a_part_of_weight_0_is_read_and_not_learnt(tiny_base: Path, tmp_path: Path, rest: float) -> None:
    masked, moved = plain(tiny_base), plain(tiny_base)
    trained(masked, examples(0, rest, rest), tmp_path / "a")
    shifted = [
        Example(f"{e.prompt}\n{e.parts[0][0].rstrip()}", "".join(part for part, _ in e.parts[1:]))
        for e in examples(0, 1, 1)
    ]
    trained(moved, shifted, tmp_path / "b")
    left, right = weights_of(masked), weights_of(moved)
    before = weights_of(plain(tiny_base))
    assert any(not torch.equal(left[name], before[name]) for name in left)
    for name in left:
        torch.testing.assert_close(left[name], right[name], atol=2e-5, rtol=1e-4)


def level_losses(model: Model, example: Example) -> list[tuple[float, int]]:
    """Of each part of the completion, and of the end: the sum of its tokens' losses, and their number."""
    ids, found = model.prompt_ids(example.prompt), []
    for part in [*(part for part, _ in example.parts), model.tokenizer.eos_token]:
        tokens = model.tokenizer(part, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logs = model.network(torch.tensor([ids + tokens])).logits[0].log_softmax(-1)
        scored = [float(logs[len(ids) - 1 + place, token]) for place, token in enumerate(tokens)]
        found.append((-sum(scored), len(tokens)))
        ids = ids + tokens
    return found


def test_the_loss_is_the_weighted_mean(tiny_base: Path, tmp_path: Path) -> None:
    model, [example, *_] = plain(tiny_base), examples(0.5, 1, 4)
    found = list(zip(level_losses(model, example), (0.5, 1, 4, 4), strict=True))
    mean = sum(loss * worth for (loss, _), worth in found) / sum(count * worth for (_, count), worth in found)
    done = trained(model, [example], tmp_path, Training(1, 1, 1e-3, 400, 100, 7))
    assert done.losses[0][1] == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_heavier_level_is_learnt_faster(tiny_base: Path, tmp_path: Path, kind: str) -> None:
    def strategy_loss(worth: float) -> float:
        model = plain(tiny_base)
        model.network = make_adapter(Adapter(kind=kind, options={"rank": 4} if kind == "lora" else {}), "a")(
            model, examples(worth, 1, 1)
        )
        trained(model, examples(worth, 1, 1), tmp_path / str(worth), Training(12, 2, 5e-3, 400, 100, 7))
        model.network = merged(model.network)
        return level_losses(model, examples(1, 1, 1)[0])[0][0]

    assert strategy_loss(9) < strategy_loss(0.01)


def test_parts_that_are_not_the_completion_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="parts of an example are not its completion"):
        trained(plain(tiny_base), [Example("a", "b c", (("b", 2.0),))], tmp_path)
