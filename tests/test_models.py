"""Bases load or say why not; cutting keeps texts whole; writing and training do what they promise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_distill import practice, prompts
from bridge_distill.config import Compute, Shrink
from bridge_distill.errors import UserError
from bridge_distill.models.bases import base_digest
from bridge_distill.models.batches import batches
from bridge_distill.models.generator import Decoding
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Training, fine_tune
from scribe import write_after

QUESTIONS = practice.make("legal", 24, 3, 0.0)
PROMPTS = [prompts.local(question) for question in QUESTIONS]
EXAMPLES = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]


@pytest.fixture
def tiny(tiny_base: Path) -> Model:
    return load(str(tiny_base), Compute(), "base")


@pytest.fixture(scope="module")
def trimmed(tiny_base: Path) -> Model:
    return cut(
        load(str(tiny_base), Compute(), "base"), Shrink(layers=2, vocabulary="task", common_tokens=20), PROMPTS[:4], "s"
    )


def test_cutting_keeps_the_tokens_of_the_given_texts(tiny_base: Path, trimmed: Model) -> None:
    whole = load(str(tiny_base), Compute(), "base")
    assert len(trimmed.tokenizer) < len(whole.tokenizer)
    assert trimmed.network.get_input_embeddings().weight.shape[0] == len(trimmed.tokenizer)
    for text in PROMPTS[:4]:
        old = whole.tokenizer.convert_ids_to_tokens(whole.tokenizer(text)["input_ids"])
        assert trimmed.tokenizer.convert_ids_to_tokens(trimmed.tokenizer(text)["input_ids"]) == old


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_any_text_round_trips_through_a_trimmed_tokenizer(trimmed: Model, text: str) -> None:
    ids = trimmed.tokenizer(text, add_special_tokens=False)["input_ids"]
    specials = set(trimmed.tokenizer.all_special_ids)
    if not specials & set(ids):
        assert trimmed.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_trimming_alone_leaves_the_probabilities_of_kept_tokens_as_they_were(tiny_base: Path) -> None:
    whole = load(str(tiny_base), Compute(), "base")
    small = cut(load(str(tiny_base), Compute(), "base"), Shrink(vocabulary="task"), PROMPTS, "s")
    old = whole.network(torch.tensor([whole.prompt_ids(PROMPTS[0])])).logits[0, -1]
    new = small.network(torch.tensor([small.prompt_ids(PROMPTS[0])])).logits[0, -1]
    rows = whole.tokenizer.convert_tokens_to_ids(small.tokenizer.convert_ids_to_tokens(range(len(small.tokenizer))))
    torch.testing.assert_close(new, old[rows])


def test_a_cut_model_reloads_with_plain_transformers(trimmed: Model, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trimmed.save(tmp_path)
    network, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert network.config.num_hidden_layers == 2
    assert not list(tmp_path.glob("*.bin"))
    ids = torch.tensor([trimmed.prompt_ids(PROMPTS[0])])
    assert tokenizer(PROMPTS[0])["input_ids"] == trimmed.tokenizer(PROMPTS[0])["input_ids"]
    torch.testing.assert_close(network(ids).logits, trimmed.network(ids).logits)


@pytest.mark.parametrize(
    ("layers", "kept"), [(1, [0]), (2, [0, 3]), (3, [0, 2, 3]), (4, [0, 1, 2, 3]), ([1, 3], [1, 3])]
)
def test_layers_kept_include_the_first_and_the_last(tiny_base: Path, layers: Any, kept: list[int]) -> None:
    whole, small = load(str(tiny_base), Compute(), "base"), load(str(tiny_base), Compute(), "base")
    cut(small, Shrink(layers=layers), [], "s")
    for new, old in enumerate(kept):
        left, right = small.network.model.layers[new], whole.network.model.layers[old]
        assert torch.equal(left.mlp.up_proj.weight, right.mlp.up_proj.weight)
    assert len(small.network.model.layers) == len(kept)


@pytest.mark.parametrize("layers", [9, [3, 1], [0, 7], []])
def test_impossible_layers_are_refused(tiny: Model, layers: Any) -> None:
    with pytest.raises(UserError, match=r"student\.shrink\.layers: .*"):
        cut(tiny, Shrink(layers=layers), [], "student.shrink")


def test_bases_that_cannot_be_used_say_why(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"student\.base: unknown base 'smollm2-135'; did you mean 'smollm2-135m'"):
        load("smollm2-135", Compute(), "student.base")
    with pytest.raises(UserError, match="is not a model folder"):
        load(str(tmp_path), Compute(), "student.base")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_base, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot load"):
        load(str(broken), Compute(), "student.base")


def test_a_base_is_identified_by_its_content_not_its_place(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "elsewhere")
    assert base_digest(str(tiny_base), "b") == base_digest(str(tmp_path / "elsewhere"), "b")
    config = tmp_path / "elsewhere/config.json"
    config.write_text(config.read_text() + " ")
    assert base_digest(str(tiny_base), "b") != base_digest(str(tmp_path / "elsewhere"), "b")


def test_padding_never_equals_the_end_token(tiny: Model, tiny_base: Path, tmp_path: Path) -> None:
    tiny.tokenizer.pad_token = tiny.tokenizer.eos_token
    tiny.save(tmp_path / "same")
    again = load(str(tmp_path / "same"), Compute(), "base")
    assert again.tokenizer.pad_token_id != again.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("device", "trained", "found"),
    [
        ("cpu", False, torch.float32),
        ("cpu", True, torch.float32),
        ("meta", False, torch.bfloat16),
        ("meta", True, torch.float32),
    ],
)
def test_weights_are_float32_on_the_cpu_and_wherever_they_are_trained(
    tiny_base: Path, device: str, trained: bool, found: torch.dtype
) -> None:
    # The device "meta" is no CPU either, and every machine has it.
    loaded = load(str(tiny_base), Compute(device=device), "base", trained=trained)
    assert {weights.dtype for weights in loaded.network.parameters()} == {found}


def test_a_model_that_was_loaded_for_reading_only_is_not_trained(tiny: Model, tmp_path: Path) -> None:
    tiny.network.bfloat16()
    with pytest.raises(TypeError, match="trained=True"):
        fine_tune(tiny, EXAMPLES, Training(2, 2, 1e-3, 400, 9, 7), tmp_path, "t")


def test_generation_is_in_the_order_of_the_prompts_and_the_same_in_any_batch(tiny: Model) -> None:
    decoding = Decoding(8)
    together = write_after(tiny, PROMPTS, decoding)
    alone = [write_after(tiny, [prompt], decoding, 1)[0] for prompt in PROMPTS]
    assert [rows[0].text for rows in together] == [rows[0].text for rows in alone]
    assert all(rows[0].tokens <= 8 for rows in together)


def test_log_probability_and_entropy_are_those_of_the_model(tiny: Model) -> None:
    written = write_after(tiny, PROMPTS[:1], Decoding(1, entropies=True))[0][0]
    logs = tiny.network(torch.tensor([tiny.prompt_ids(PROMPTS[0])])).logits[0, -1].detach().log_softmax(-1)
    assert written.log_probability == pytest.approx(float(logs.max()), abs=1e-4)
    assert written.entropy == pytest.approx(float(-(logs.exp() * logs).sum()), abs=1e-4)


def test_sampling_repeats_with_its_seed_only(tiny: Model) -> None:
    decoding = Decoding(6, temperature=1.0, samples=3)

    def texts(seed: int) -> list[list[str]]:
        return [[s.text for s in rows] for rows in write_after(tiny, PROMPTS[:4], decoding, 4000, seed)]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)
    assert all(len(rows) == 3 for rows in texts(1))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 2000))
def test_batches_hold_every_index_once_within_the_limit(lengths: list[int], limit: int) -> None:
    groups = batches(lengths, limit)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or max(lengths[i] for i in group) * len(group) <= limit


def train(base: Path, folder: Path, steps_before_kill: int | None) -> dict[str, torch.Tensor]:
    """Train ten steps; where asked, die after some of them first."""
    training = Training(10, 2, 1e-3, 400, 3, 7)
    for kill in [steps_before_kill, None] if steps_before_kill else [None]:
        model = load(str(base), Compute(), "base")
        set_seed(0)
        try:
            fine_tune(model, EXAMPLES, training, folder, "t" if kill is None else f"die {kill}")
        except Killed:
            continue
    return {name: value.clone() for name, value in model.network.state_dict().items()}


class Killed(BaseException):
    """Stands for a kill in the middle of training."""


@pytest.mark.parametrize("after", [2, 4, 9])
def test_a_resumed_training_ends_with_the_same_bytes(
    tiny_base: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny_base, tmp_path / "whole", None)
    from bridge_distill.models.train import tune as module

    real = module.progress

    def dying(label: str, total: int) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def bar() -> Any:
            steps = 0

            def tick(done: int = 1) -> None:
                nonlocal steps
                steps += done
                if label.startswith("die") and steps == after:
                    raise Killed

            yield tick

        return bar() if label.startswith("die") else real(label, total)

    monkeypatch.setattr(module, "progress", dying)
    resumed = train(tiny_base, tmp_path / "resumed", after)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_half_written_checkpoint_is_not_resumed_from(tiny_base: Path, tmp_path: Path) -> None:
    whole = train(tiny_base, tmp_path / "whole", None)
    (tmp_path / "other/checkpoint-9").mkdir(parents=True)
    (tmp_path / "other/checkpoint-9/trainer_state.json").write_text("{}")
    assert all(torch.equal(whole[name], value) for name, value in train(tiny_base, tmp_path / "other", None).items())


def test_a_student_learns_to_stop(tiny_base: Path, tmp_path: Path) -> None:
    model = load(str(tiny_base), Compute(), "base")
    fine_tune(model, [Example("Say hi.", "hi")] * 4, Training(60, 4, 1e-2, 100, 1000, 0), tmp_path, "t")
    written = write_after(model, ["Say hi."], Decoding(20))[0][0]
    assert (written.text, written.finished) == ("hi", True)


def test_examples_that_are_too_long_are_left_out_and_counted(tiny_base: Path, tmp_path: Path) -> None:
    model = load(str(tiny_base), Compute(), "base")
    long = Example("x " * 300, "y")
    trained = fine_tune(model, [*EXAMPLES, long], Training(2, 2, 1e-3, 300, 100, 0), tmp_path / "a", "t")
    assert (trained.examples, trained.too_long) == (len(EXAMPLES), 1)
    with pytest.raises(ValueError, match="none of 1 examples"):
        fine_tune(model, [long], Training(2, 2, 1e-3, 300, 100, 0), tmp_path / "b", "t")


def test_greedy_texts_are_those_of_transformers_whatever_ends_first(tiny: Model) -> None:
    asked = [prompt[: 7 * at + 3] for at, prompt in enumerate(PROMPTS)]
    tiny.network.generation_config.eos_token_id = [tiny.tokenizer.eos_token_id, *tiny.tokenizer("e.")["input_ids"]]
    ours = [rows[0] for rows in write_after(tiny, asked, Decoding(60))]
    assert len({written.tokens for written in ours}) > 3
    for prompt, written in zip(asked, ours, strict=True):
        ids = torch.tensor([tiny.prompt_ids(prompt)])
        theirs = tiny.network.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=60, do_sample=False
        )
        said = theirs[0, ids.shape[1] :][: written.tokens]
        assert written.text == tiny.tokenizer.decode(said, skip_special_tokens=True).strip()
        assert theirs.shape[1] - ids.shape[1] == written.tokens + written.finished


def test_rows_that_have_ended_leave_the_batch(tiny: Model) -> None:
    rows: list[int] = []
    watch = tiny.network.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    written = [part[0] for part in write_after(tiny, PROMPTS, Decoding(60, temperature=1.0))]
    watch.remove()
    assert (rows[0], len(rows)) == (len(PROMPTS), max(text.tokens + text.finished for text in written))
    needed = sum(text.tokens + text.finished for text in written)
    assert needed <= sum(rows) <= needed * 4 / 3 + len(PROMPTS)
    assert sorted(rows, reverse=True) == rows


def test_a_sample_is_the_same_in_any_batch_and_any_part_of_the_list(tiny: Model) -> None:
    decoding = Decoding(8, temperature=1.0, samples=2)

    def texts(prompts: list[str], batch_tokens: int, first: int = 0) -> list[list[str]]:
        return [[s.text for s in rows] for rows in write_after(tiny, prompts, decoding, batch_tokens, 1, first)]

    whole = texts(PROMPTS, 100_000)
    assert texts(PROMPTS, 1) == whole
    assert texts(PROMPTS[:5], 1000) + texts(PROMPTS[5:], 1000, first=5) == whole


def test_tokens_are_drawn_as_often_as_the_model_says(tiny: Model) -> None:
    from bridge_distill.models.decode import decode

    ids = torch.tensor([tiny.prompt_ids(PROMPTS[0])]).repeat(2000, 1)[:, :12]
    draws = torch.linspace(0, 1, 2001)[:2000, None]
    drawn = decode(tiny, ids, torch.ones_like(ids), None, draws, Decoding(1, 2.0)).tokens[:, 0]
    with torch.inference_mode():
        shares = (tiny.network(ids[:1]).logits[0, -1] / 2).softmax(-1)
    counted = torch.bincount(drawn, minlength=len(shares)) / 2000
    assert float((counted - shares).abs().max()) <= 1 / 1000
