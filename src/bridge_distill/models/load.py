"""Load a model with its tokenizer, and save it as plain safetensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge_distill.config import Compute
from bridge_distill.errors import UserError
from bridge_distill.models.bases import find_base
from bridge_distill.models.runtime import device_of, precision, quiet


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
        self.network.config.use_cache = True  # a trainer turns it off for itself, and whoever loads the model wants it
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


def load(name: str, compute: Compute, place: str, *, trained: bool = False) -> Model:
    """Load a base by name, folder or hub id; ``trained`` says that its weights will change (``precision``).

    Raises ``UserError`` where it cannot be read or has no end token.
    """
    from transformers import AutoModelForCausalLM

    tokenizer, device = load_tokenizer(name, place), device_of(compute)
    with _said(name, place):
        network = AutoModelForCausalLM.from_pretrained(
            find_base(name, place), dtype=precision(device, trained), use_safetensors=True, trust_remote_code=False
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
