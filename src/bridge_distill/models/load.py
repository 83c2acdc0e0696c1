"""Load a model with its tokenizer, cut it to a smaller one, and save it as plain safetensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill.config import Compute, Shrink
from bridge_distill.errors import UserError
from bridge_distill.models.bases import find_base
from bridge_distill.models.runtime import device_of, quiet
from bridge_distill.models.vocabulary import trim


@dataclass
class Model:
    """A causal language model (transformers ``PreTrainedModel``) and its fast tokenizer."""

    network: Any
    tokenizer: Any

    @property
    def parameters(self) -> int:
        """Number of distinct weights; tied ones count once."""
        return sum(p.numel() for p in self.network.parameters())

    def prompt_ids(self, prompt: str) -> list[int]:
        """Token ids of a user's message up to where the reply begins."""
        return prompt_ids(self.tokenizer, prompt)

    def save(self, folder: Path) -> None:
        """Write safetensors and tokenizer files that plain ``AutoModelForCausalLM`` reads."""
        self.network.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Token ids of a user's message up to where the reply begins."""
    if tokenizer.chat_template is None:
        return list(tokenizer(prompt + "\n")["input_ids"])
    messages = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text alone, without special ones around it."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def load(name: str, compute: Compute, place: str) -> Model:
    """Load a base by name, folder or hub id in float32 on the CPU, bfloat16 on a GPU.

    Raises ``UserError`` where it cannot be read or has no end token.
    """
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, device = load_tokenizer(name, place), device_of(compute)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    with _said(name, place):
        network = AutoModelForCausalLM.from_pretrained(
            find_base(name, place), dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    _distinct_padding(tokenizer, network)
    return Model(network.to(device), tokenizer)


def load_tokenizer(name: str, place: str) -> Any:
    """Load a base's tokenizer alone; raises ``UserError`` as ``load`` does."""
    quiet()
    from transformers import AutoTokenizer

    with _said(name, place):
        tokenizer = AutoTokenizer.from_pretrained(find_base(name, place), trust_remote_code=False)
    if tokenizer.eos_token_id is None:
        raise UserError(
            place, f"{name!r} has no end token", "a model that never stops cannot be taught; choose another base"
        )
    return tokenizer


def cut(model: Model, shrink: Shrink, texts: Iterable[str], place: str) -> Model:
    """Cut layers and vocabulary in place; ``texts`` are those whose tokens must stay whole."""
    if shrink.layers is not None:
        _keep_layers(model.network, _positions(shrink.layers, model.network.config.num_hidden_layers, place))
    if shrink.vocabulary == "task":
        _trim_vocabulary(model, texts, shrink.common_tokens, place)
    return model


@contextmanager
def _said(name: str, place: str) -> Iterator[None]:
    """The library's own errors as one sentence."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise UserError(
            place, f"cannot load {name!r} ({first})", "give an embedded base, a model folder or a hub id"
        ) from error


def _distinct_padding(tokenizer: Any, network: Any) -> None:
    # Padding that equals the end token would hide the end token from the loss: the model never stops.
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        spare = [i for i in tokenizer.all_special_ids if i != tokenizer.eos_token_id]
        if spare:
            tokenizer.pad_token_id = spare[0]
        else:
            tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
            network.resize_token_embeddings(len(tokenizer))
    network.config.pad_token_id = tokenizer.pad_token_id
    network.generation_config.pad_token_id = tokenizer.pad_token_id
    network.generation_config.eos_token_id = tokenizer.eos_token_id


def _positions(layers: int | list[int], depth: int, place: str) -> list[int]:
    """Which layers stay: those listed, or evenly spaced ones that include the first and the last."""
    if isinstance(layers, int):
        if layers > depth:
            raise UserError(
                f"{place}.layers", f"{layers} layers asked of a base that has {depth}", f"give at most {depth}"
            )
        return [round(i * (depth - 1) / max(layers - 1, 1)) for i in range(layers)]
    if not layers or sorted(set(layers)) != layers or layers[-1] >= depth or layers[0] < 0:
        raise UserError(
            f"{place}.layers", f"{layers} are not rising layer numbers", f"give numbers from 0 to {depth - 1}"
        )
    return layers


def _keep_layers(network: Any, positions: list[int]) -> None:
    import torch

    body = network.get_decoder()
    body.layers = torch.nn.ModuleList([body.layers[i] for i in positions])
    for index, layer in enumerate(body.layers):
        layer.self_attn.layer_idx = index
    network.config.num_hidden_layers = len(positions)
    if getattr(network.config, "layer_types", None) is not None:
        network.config.layer_types = [network.config.layer_types[i] for i in positions]


def _trim_vocabulary(model: Model, texts: Iterable[str], common: int, place: str) -> None:
    import torch
    from tokenizers import Tokenizer

    try:
        trimmed = trim(model.tokenizer, texts, common)
    except ValueError as error:
        raise UserError(f"{place}.vocabulary", str(error), "set it to null for this base") from error
    network, rows = model.network, torch.tensor(trimmed.kept)
    tied = network.config.tie_word_embeddings
    old_in, old_out = network.get_input_embeddings().weight.data, network.get_output_embeddings().weight.data
    network.resize_token_embeddings(len(rows))
    network.get_input_embeddings().weight.data.copy_(old_in[rows.to(old_in.device)])
    if not tied:
        network.get_output_embeddings().weight.data.copy_(old_out[rows.to(old_out.device)])
    new_id = {old: new for new, old in enumerate(trimmed.kept)}
    model.tokenizer._tokenizer = Tokenizer.from_str(trimmed.tokenizer_json)
    for config in (network.config, network.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
            if getattr(config, name, None) is not None:
                setattr(config, name, new_id[getattr(config, name)])
