"""Models of every family are cut without harm to what stays, and reload with plain transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_distill.config import Assistant, Shrink, Student
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model
from bridge_distill.models.shrink import cut, weigh
from families import FAMILIES, TEXTS, loaded, save

WHOLE = Shrink(layers=4, layer_choice="angular", mlp=80, heads=6)
SMALL = Shrink(layers=2, layer_choice="angular", mlp=0.5, heads=2, vocabulary="task", common_tokens=10)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save(family, tmp_path_factory.mktemp("family") / family) for family in FAMILIES}


def logits(model: Model, text: str = TEXTS[0]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model.network(torch.tensor([model.tokenizer(text)["input_ids"]])).logits
    return found


def dead_units(network: Any, units: list[int]) -> None:
    """Let these units of every MLP add nothing: every other one is never active, the rest are not listened to."""
    for layer in network.get_decoder().layers:
        layer.mlp.up_proj.weight[units[::2]] = 0
        if layer.mlp.up_proj.bias is not None:
            layer.mlp.up_proj.bias[units[::2]] = 0
        layer.mlp.down_proj.weight[:, units[1::2]] = 0


def dead_groups(network: Any, groups: list[int]) -> None:
    """Let these groups of heads add nothing in any layer."""
    for layer in network.get_decoder().layers:
        width = layer.self_attn.o_proj.in_features // 3
        for group in groups:
            layer.self_attn.o_proj.weight[:, group * width : (group + 1) * width] = 0


@pytest.mark.parametrize("family", FAMILIES)
def test_keeping_everything_changes_nothing(bases: dict[str, Path], family: str) -> None:
    whole, kept = loaded(bases[family]), loaded(bases[family])
    cut(kept, WHOLE, TEXTS, "s")
    assert kept.parameters == whole.parameters
    torch.testing.assert_close(logits(kept), logits(whole), rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_cut_in_every_way_reloads_with_plain_transformers(
    bases: dict[str, Path], family: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = cut(loaded(bases[family]), SMALL, TEXTS[:4], "s")
    model.save(tmp_path)
    network, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    config = network.config
    assert (config.num_hidden_layers, config.intermediate_size) == (2, 40)
    assert (config.num_attention_heads, config.num_key_value_heads) == (2, 1)
    assert config.vocab_size == len(tokenizer) < len(loaded(bases[family]).tokenizer)
    assert tokenizer(TEXTS[5])["input_ids"] == model.tokenizer(TEXTS[5])["input_ids"]
    torch.testing.assert_close(logits(Model(network, tokenizer), TEXTS[5]), logits(model, TEXTS[5]), rtol=0, atol=0)
    assert network.generation_config.eos_token_id == tokenizer.eos_token_id


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    family=st.sampled_from(FAMILIES), dead=st.sets(st.integers(0, 79), max_size=79), groups=st.sets(st.integers(0, 2))
)
def test_removing_what_adds_nothing_changes_nothing(
    bases: dict[str, Path], family: str, dead: set[int], groups: set[int]
) -> None:
    model = loaded(bases[family])
    with torch.no_grad():
        dead_units(model.network, sorted(dead))
        dead_groups(model.network, sorted(groups)[:2])
    before = logits(model)
    cut(model, Shrink(mlp=80 - len(dead), heads=6 - 2 * len(sorted(groups)[:2]), calibration=4), TEXTS, "s")
    torch.testing.assert_close(logits(model), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_that_turns_nothing_goes_first(bases: dict[str, Path], family: str) -> None:
    model = loaded(bases[family])
    idle = model.network.get_decoder().layers[1]
    with torch.no_grad():
        for linear in (idle.self_attn.o_proj, idle.mlp.down_proj):
            linear.weight.zero_()
            if linear.bias is not None:
                linear.bias.zero_()
    cut(model, Shrink(layers=3, layer_choice="angular", calibration=4), TEXTS, "s")
    assert idle not in list(model.network.get_decoder().layers)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layers_that_the_loss_misses_most_stay(bases: dict[str, Path], family: str) -> None:
    whole = loaded(bases[family])
    ids, layers = torch.tensor(whole.tokenizer(TEXTS[0])["input_ids"]), list(whole.network.get_decoder().layers)
    losses = []
    for layer in layers:
        hook = layer.register_forward_hook(lambda module, came, went: came[0])
        losses.append(float(-logits(whole)[0, :-1].log_softmax(-1).gather(1, ids[1:, None]).mean()))
        hook.remove()
    cut(whole, Shrink(layers=2, layer_choice="loss"), [TEXTS[0]], "s")
    missed = sorted(range(4), key=lambda at: losses[at])[2:]
    assert list(whole.network.get_decoder().layers) == [layers[at] for at in sorted(missed)]


def test_the_same_texts_give_the_same_cut_whatever_the_seed(bases: dict[str, Path]) -> None:
    torch.manual_seed(1)
    one = cut(loaded(bases["llama"]), SMALL, TEXTS, "s")
    torch.manual_seed(2)
    other = cut(loaded(bases["llama"]), SMALL, iter(TEXTS), "s")
    torch.testing.assert_close(logits(one), logits(other), rtol=0, atol=0)


def test_tied_embeddings_are_one_matrix_after_a_reload(tmp_path: Path) -> None:
    model = loaded(save("llama", tmp_path / "loose", tie_word_embeddings=False))
    before, table = model.parameters, model.network.get_input_embeddings().weight.clone()
    cut(model, Shrink(tie=True), [], "s").save(tmp_path / "tied")
    again = loaded(tmp_path / "tied")
    assert before - again.parameters == table.numel()
    assert torch.equal(again.network.get_output_embeddings().weight, table)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [100_000, 400_000, 2_000_000])
def test_a_fresh_model_has_the_size_that_was_asked_for(
    bases: dict[str, Path], family: str, size: int, tmp_path: Path
) -> None:
    base = loaded(bases[family])
    made = cut(loaded(bases[family]), Shrink(size=size, vocabulary="task", common_tokens=10), TEXTS[:4], "s")
    assert 0.9 * size <= made.parameters <= 1.1 * size
    assert type(made.network) is type(base.network)
    made.save(tmp_path)
    torch.testing.assert_close(logits(loaded(tmp_path)), logits(made))


def test_a_fresh_model_is_another_with_another_seed_only(bases: dict[str, Path]) -> None:
    def drawn(seed: int) -> torch.Tensor:
        model = loaded(bases["llama"])
        torch.manual_seed(seed)
        return logits(cut(model, Shrink(size=200_000), [], "s"))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_a_smaller_model_is_said_to_weigh_less(bases: dict[str, Path]) -> None:
    base = weigh(loaded(bases["llama"]))
    small = weigh(cut(loaded(bases["llama"]), SMALL, TEXTS, "s"))
    assert small["parameters"] < base["parameters"]
    assert small["megabytes"] == pytest.approx(4 * small["parameters"] / 1e6, abs=0.01)
    assert min(small["prefill_ms"], small["token_ms"]) > 0


@pytest.mark.parametrize(
    ("shrink", "said"),
    [
        (Shrink(mlp=81), r"^s\.mlp: 81 units asked of an MLP that has 80; give at most 80\.$"),
        (Shrink(heads=3), r"^s\.heads: 3 heads .* give one of 2, 4, 6\.$"),
        (Shrink(layers=5, layer_choice="loss"), r"^s\.layers: 5 layers asked of a base that has 4"),
        (Shrink(size=1000), r"^s\.size: no shape with 604 tokens has 1,000 parameters"),
        (Shrink(layers=1, layer_choice="angular"), r"^s: there is no text to measure"),
    ],
)
def test_what_a_base_cannot_be_cut_to_is_said_in_one_sentence(
    bases: dict[str, Path], shrink: Shrink, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        cut(loaded(bases["llama"]), shrink, [], "s")


def test_heads_that_the_family_would_not_reload_are_refused(tmp_path: Path) -> None:
    heads = {"num_attention_heads": 8, "num_key_value_heads": 4, "hidden_size": 40, "head_dim": 8}
    model = loaded(save("llama", tmp_path, **heads))
    with pytest.raises(UserError, match=r"give one of 2, 4, 8\."):
        cut(model, Shrink(heads=6), TEXTS, "s")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = loaded(save("llama", tmp_path / "llama")).tokenizer
    Model(GPT2LMHeadModel(GPT2Config(vocab_size=604, n_embd=8, n_layer=2, n_head=2)), tokenizer).save(tmp_path / "gpt2")
    with pytest.raises(UserError, match=r"^s: the layers of a 'gpt2' model cannot be cut; choose .*llama"):
        cut(loaded(tmp_path / "gpt2"), Shrink(layers=1), [], "s")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": "10X"}, "number of parameters such as 10M"),
        ({"size": "10M", "layers": 2}, "leave out layers, mlp, heads and tie"),
        ({"layer_choice": "loss"}, "needs layers as a number"),
        ({"layer_choice": "angular", "layers": [0, 1]}, "needs layers as a number"),
        ({"mlp": 0.0}, "greater than 0"),
        ({"mlp": 1.5}, "mlp"),
        ({"mlp": 1.0}, "less than 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shrink.model_validate(values)


@pytest.mark.parametrize(("said", "size"), [("10M", 10_000_000), ("0.5m", 500_000), ("800k", 800_000), (7, 7)])
def test_a_size_is_a_number_in_the_usual_units(said: Any, size: int) -> None:
    assert Shrink.model_validate({"size": said}).size == size


def test_settings_that_are_left_alone_leave_the_identity_of_older_runs() -> None:
    shrink = {"layers": None, "vocabulary": "task", "common_tokens": 2000}
    assert Assistant().identity()["shrink"] == shrink
    assert Student().identity()["shrink"] == {**shrink, "layers": 6}
