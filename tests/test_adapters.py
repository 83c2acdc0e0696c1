"""Adapters train what they say, merge to plain weights, repeat exactly, and choose by reasoning alone."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_distill import assistant, practice, prompts
from bridge_distill.answers import has_mark
from bridge_distill.config import Adapter, Assistant, Compute
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import adapters, make_adapter, merged
from bridge_distill.models.load import Model, load
from bridge_distill.models.reasoning import reasoning_rows, reasoning_spans
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.saliency import allot, largest, linear_layers, spectra
from bridge_distill.models.train import Example, Trained, Training, fine_tune
from bridge_distill.runfile import read_run
from tiny import command, tree, write

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/adapters.md").read_text(encoding="utf-8")
FILES = sorted((ROOT / "configs/adapters").glob("*.yaml"))
QUESTIONS = practice.make("financial", 24, 3, 0.0)  # the tiny base knows legal ones
EXAMPLES = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in QUESTIONS]
KINDS = [
    Adapter(),
    Adapter(kind="lora", options={"rank": 4}),
    Adapter(kind="lora", options={"rank": 4, "rslora": True}),
    Adapter(kind="lora", options={"rank": 2, "dora": True}),
    Adapter(kind="reasoning-sparse", options={"share": 0.02}),
    Adapter(kind="reasoning-sparse", options={"share": 0.02, "method": "ranks"}),
]
NAMES = [" ".join([each.kind, *map(str, each.options.values())]) for each in KINDS]


def wrapped(base: Path, adapter: Adapter, examples: list[Example] = EXAMPLES) -> Model:
    """The tiny base with an adapter around it."""
    model = load(str(base), Compute(), "base")
    set_seed(0)
    model.network = make_adapter(adapter, "assistant.adapter")(model, examples)
    return model


def tune(model: Model, folder: Path) -> Trained:
    return fine_tune(model, EXAMPLES, Training(10, 4, 5e-3, 400, 5, 7), folder, "t")


def plain(model: Model) -> dict[str, torch.Tensor]:
    """The merged weights."""
    return {name: value.clone() for name, value in merged(model.network).state_dict().items()}


def trainable(network: Any) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def places(model: Model) -> dict[str, torch.Tensor]:
    """What a sparse adapter may change: a mask for each linear layer's weight."""
    found = {}
    for name, layer in model.network.named_modules():
        if hasattr(layer, "shira_indices"):
            mask = torch.zeros_like(layer.base_layer.weight, dtype=torch.bool)
            rows, columns = layer.shira_indices["default"].long()
            mask[rows, columns] = True
            found[name.removeprefix("base_model.model.") + ".weight"] = mask
    return found


def test_every_kind_is_tested_here() -> None:
    assert {each.kind for each in KINDS} == set(adapters.names())


@pytest.mark.parametrize("adapter", KINDS, ids=NAMES)
def test_every_adapter_trains_and_merges_to_plain_weights(tiny_base: Path, tmp_path: Path, adapter: Adapter) -> None:
    before = load(str(tiny_base), Compute(), "base").network.state_dict()
    model = wrapped(tiny_base, adapter)
    trained = tune(model, tmp_path)
    losses = [loss for _, loss in trained.losses]
    assert sum(losses[-3:]) < sum(losses[:3])
    assert trained.trained_parameters == trainable(model.network)
    ids = torch.tensor([model.prompt_ids(EXAMPLES[0].prompt)])
    with torch.no_grad():
        unmerged = model.network(ids).logits
        model.network = merged(model.network)
        torch.testing.assert_close(model.network(ids).logits, unmerged, rtol=1e-4, atol=1e-4)
    after = model.network.state_dict()
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("adapter", KINDS, ids=NAMES)
def test_a_seed_decides_every_byte_resumed_or_not(tiny_base: Path, tmp_path: Path, adapter: Adapter) -> None:
    found = []
    for name in ("whole", "again", "whole"):
        shutil.rmtree(tmp_path / name / "checkpoint-10", ignore_errors=True)
        model = wrapped(tiny_base, adapter)
        assert (tmp_path / name / "checkpoint-5").exists() == bool(found and name == "whole")
        tune(model, tmp_path / name)
        found.append(plain(model))
    assert all(torch.equal(found[0][name], other[name]) for other in found[1:] for name in found[0])


def test_a_sparse_adapter_changes_its_places_alone(tiny_base: Path, tmp_path: Path) -> None:
    before = load(str(tiny_base), Compute(), "base").network.state_dict()
    model = wrapped(tiny_base, Adapter(kind="reasoning-sparse", options={"share": 0.02}))
    mask = places(model)
    assert sum(int(chosen.sum()) for chosen in mask.values()) == trainable(model.network)
    tune(model, tmp_path)
    changed = {name: value != before[name] for name, value in plain(model).items()}
    assert not any(bool((changed[name] & ~mask.get(name, torch.tensor(False))).any()) for name in changed)
    assert sum(int(where.sum()) for where in changed.values()) > 0.9 * trainable(model.network)


def small(hidden: int, wide: int, layers: int) -> Model:
    """An untrained Llama of a given shape, which reads every character as one of 64 tokens."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = {chr(32 + index): index for index in range(64)}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token=" "))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    return Model(LlamaForCausalLM(config), PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="!"))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([8, 12, 20]),
    st.integers(9, 30),
    st.integers(1, 3),
    st.floats(0.001, 0.4),
    st.sampled_from(["sparse", "ranks"]),
)
def test_the_share_holds_for_any_shape(hidden: int, wide: int, layers: int, share: float, method: str) -> None:
    model = small(hidden, wide, layers)
    allowed = int(share * model.parameters)
    shapes = [layer.weight.shape for layer in linear_layers(model.network).values()]
    cheapest, most = min(map(sum, shapes)), sum(map(math.prod, shapes))
    adapter = make_adapter(Adapter(kind="reasoning-sparse", options={"share": share, "method": method}), "a")
    example = [Example("WHAT", "IT IS SO.\nANSWER: YES")]
    if allowed < cheapest if method == "ranks" else not 1 <= allowed <= most:
        with pytest.raises(UserError, match=r"a\.options\.share: comes to \d+ weights"):
            adapter(model, example)
        return
    found = trainable(adapter(model, example))
    assert found <= allowed
    assert method == "ranks" or found == allowed


def test_a_share_beyond_what_the_linear_layers_hold_is_refused() -> None:
    adapter = make_adapter(Adapter(kind="reasoning-sparse", options={"share": 1.0}), "assistant.adapter")
    with pytest.raises(UserError, match=r"assistant\.adapter\.options\.share: comes to .* the linear layers hold"):
        adapter(small(8, 16, 1), [Example("WHAT", "IT IS SO.")])


def test_rationales_without_a_step_are_refused(tiny_base: Path) -> None:
    with pytest.raises(UserError, match=r"assistant\.adapter\.kind: no rationale has a step before its answer"):
        wrapped(tiny_base, Adapter(kind="reasoning-sparse"), [Example("Is it?", "Answer: yes")])


def test_steps_decide_the_places_and_answers_do_not(tiny_base: Path) -> None:
    def of(change: Any) -> dict[str, torch.Tensor]:
        examples = [Example(each.prompt, change(each.completion)) for each in EXAMPLES]
        return places(wrapped(tiny_base, Adapter(kind="reasoning-sparse", options={"share": 0.02}), examples))

    def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
        return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)

    whole = of(lambda text: text)
    assert same(whole, of(lambda text: f"{prompts.explanation(text)}\nAnswer: who knows"))
    assert not same(whole, of(lambda text: re.sub("[0-9]", "7", text)))


@pytest.mark.parametrize("method", ["sparse", "ranks"])
def test_a_killed_training_finds_its_places_again_whatever_the_gradient_says_now(tmp_path: Path, method: str) -> None:
    adapter = Adapter(kind="reasoning-sparse", options={"share": 0.3, "method": method})
    shapes = []
    for text in ("IT IS SO.", "QUITE ANOTHER WAY."):
        found = make_adapter(adapter, "a", tmp_path)(small(12, 24, 2), [Example("WHAT", text)])
        shapes.append({name: p.shape for name, p in found.named_parameters() if p.requires_grad})
    assert shapes[0] == shapes[1]


def test_reasoning_leaves_out_the_scaffolding() -> None:
    def told(text: str) -> list[str]:
        return [text[start:end] for start, end in reasoning_spans(text)]

    steps = "Steps:\n1. Look at $2.50.\n- **Step 2:** Add 3 and 4.\n\nSo: no."
    whole = told(f"Strategy: Compare the states.\n{steps}\n**Answer:** no")
    assert whole == ["Compare the states.", "Look at $2.50.", "Add 3 and 4.", "So: no."]
    assert told("3.5 is less than 4.") == ["3.5 is less than 4."]


@given(st.text(alphabet=st.sampled_from("ab1.):*# \n\r\u2028Answer"), max_size=80) | st.text(max_size=80))
def test_reasoning_lies_in_any_text_in_order_and_never_in_an_answer(text: str) -> None:
    spans = list(reasoning_spans(text))
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) and not has_mark(text[start:end]) for start, end in spans)


def test_reasoning_tokens_say_the_steps_and_neither_prompt_nor_answer(tiny_base: Path) -> None:
    model = load(str(tiny_base), Compute(), "base")
    ids, labels = reasoning_rows(model, EXAMPLES[:1])[0]
    told = model.tokenizer.decode([label for label in labels if label >= 0])
    assert told == prompts.explanation(EXAMPLES[0].completion)
    assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))


SHAPES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=5)


@given(SHAPES, st.integers(0, 100), st.floats(0, 1))
def test_the_largest_are_exactly_as_many_as_asked_and_none_left_is_larger(
    shapes: list[tuple[int, int]], seed: int, part: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    tensors = {str(i): torch.randint(-3, 4, shape, generator=draw).float() for i, shape in enumerate(shapes)}
    count = max(1, round(part * sum(t.numel() for t in tensors.values())))
    chosen = largest(tensors, count)
    assert sum(map(len, chosen.values())) == count
    flat = {name: tensor.abs().flatten() for name, tensor in tensors.items()}
    taken = {name: torch.zeros(len(sizes), dtype=torch.bool) for name, sizes in flat.items()}
    for name, found in chosen.items():
        assert found.tolist() == sorted(set(found.tolist()))
        taken[name][torch.from_numpy(found)] = True
    least = min(float(flat[name][taken[name]].min()) for name in chosen)
    assert all(bool((sizes[~taken[name]] <= least).all()) for name, sizes in flat.items())


GAINS = st.lists(st.tuples(st.lists(st.floats(0, 9), max_size=5), st.integers(1, 9)), min_size=1, max_size=6)


@given(GAINS, st.integers(0, 60))
def test_ranks_fit_the_budget_and_none_that_fits_is_left(gains: list[tuple[list[float], int]], budget: int) -> None:
    falling, costs = [sorted(each, reverse=True) for each, _ in gains], [cost for _, cost in gains]
    taken = allot(falling, costs, budget)
    left = budget - sum(count * cost for count, cost in zip(taken, costs, strict=True))
    assert left >= 0
    for count, each, cost in zip(taken, falling, costs, strict=True):
        assert count <= len(each)
        assert count == len(each) or cost > left


def test_spectra_are_singular_values() -> None:
    draw = torch.Generator().manual_seed(1)
    matrices = {"a": torch.randn(4, 7, generator=draw), "b": torch.randn(6, 3, generator=draw)}
    for name, found in spectra(matrices).items():
        torch.testing.assert_close(torch.tensor(found).float(), torch.linalg.svdvals(matrices[name]))


BAD: list[tuple[Any, str]] = [
    ("lore", r"assistant\.adapter: unknown adapter 'lore'; did you mean 'lora'"),
    (
        {"kind": "full", "options": {"rank": 4}},
        r"adapter\.options\.rank: is no option of full; it takes none",
    ),
    ({"kind": "lora", "options": {"ranks": 4}}, r"assistant\.adapter\.options\.ranks: .*; did you mean 'rank'"),
    ({"kind": "lora", "options": {"rank": 0}}, r"assistant\.adapter\.options\.rank: .*greater than 0 \(got 0\)"),
    ({"kind": "reasoning-sparse", "options": {"share": 2}}, r"options\.share: .*less than or equal to 1 \(got 2\)"),
    ({"kind": "reasoning-sparse", "options": {"method": "s"}}, r"options\.method: .*'sparse' or 'ranks' \(got 's'\)"),
]


@pytest.mark.parametrize(("adapter", "sentence"), BAD, ids=[sentence[:50] for _, sentence in BAD])
def test_a_bad_adapter_is_refused_before_anything_runs(adapter: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        assistant.check(Assistant(adapter=adapter), "flat")
    assert "\n" not in str(caught.value)


def test_an_option_left_out_and_its_default_are_the_same_assistant() -> None:
    def identity(**options: Any) -> dict[str, Any]:
        return assistant.identity(Assistant(adapter=Adapter(kind="lora", options=options)))

    assert identity() == identity(rank=32) != identity(rank=8)


def test_the_table_of_options_is_the_registry() -> None:
    lines = [line for line in PAGE.split("## Their options\n")[1].splitlines() if line.startswith("| `")]
    said = {tuple(re.findall(r"`(.+?)`", line)[:2]): json.loads(re.findall(r"`(.+?)`", line)[2]) for line in lines}
    sections = {name: adapters.get(name, "test").options.model_fields for name in adapters.names()}
    assert said == {(name, option): field.default for name, of in sections.items() for option, field in of.items()}


def test_the_pages_example_is_valid() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assistant.check(Assistant.model_validate(yaml.safe_load(example)["assistant"]), "flat")


@pytest.mark.parametrize("before", ["full", {"kind": "lora", "options": {"rank": 8}}], ids=["full", "lora"])
@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_file_of_settings_goes_over_a_run_file(tmp_path: Path, file: Path, before: Any) -> None:
    run = read_run(write(tmp_path, tree(tmp_path, assistant={"adapter": before, "epochs": 2})), [str(file)]).run
    assert run.assistant is not None
    assistant.check(run.assistant, run.teacher.trace)
    assert run.assistant.epochs == 2
    given_ = yaml.safe_load(file.read_text())["assistant"]
    assert run.assistant.adapter.kind == given_["adapter"]["kind"]
    assert run.assistant.adapter.options == assistant.identity(run.assistant)["adapter"]["options"]


def test_a_run_takes_such_a_file_and_says_what_share_it_trained(tiny_base: Path, tmp_path: Path) -> None:
    path = write(tmp_path, tree(tiny_base, arms={}))
    done = command("run", path, "--set", ROOT / "configs/adapters/reasoning-sparse.yaml", "--until", "assistant")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "runs/tiny/summary.json").read_text())["assistant"]
    assert figures["trained_parameters"] == int(0.003 * figures["parameters"])
    assert figures["trained_share"] == figures["trained_parameters"] / figures["parameters"]
    assert "0.3% of them tuned" in (tmp_path / "runs/tiny/report.html").read_text()


def test_every_adapter_has_its_files_on_the_page() -> None:
    assert {file.name for file in FILES} == set(re.findall(r"configs/adapters/([\w-]+\.yaml)\)", PAGE))
