"""Tiny random models of the families that can be cut, each with a tokenizer of its family's kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge_distill import practice
from bridge_distill.config import Compute
from bridge_distill.models.load import Model, load

TEXTS = [q.text + "\n" + practice.explain(q, phrasing=0, error=False) for q in practice.make("legal", 40, 5, 0.0)]
FAMILIES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3")
SHAPE = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4, "max_position_embeddings": 512}
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 3}


def save(family: str, folder: Path, **changes: Any) -> Path:
    """A model folder of a family, its weights random and its norms and biases no longer at 1 and 0."""
    import torch
    import transformers

    classes = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "gemma2": "Gemma2", "gemma3": "Gemma3"}
    text = "Text" if family == "gemma3" else ""
    tokenizer = gemma() if family.startswith("gemma") else byte_level(family.startswith("qwen"))
    own: dict[str, Any] = {"llama": {"attention_bias": True, "mlp_bias": True}}.get(family, {})
    if family != "llama":
        own = {"sliding_window": 64}
    if family in ("qwen3", "gemma2", "gemma3"):
        own |= {"head_dim": 16}
    if family == "gemma3":
        own |= {"sliding_window_pattern": 2, "query_pre_attn_scalar": 16}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = getattr(transformers, f"{classes[family]}{text}Config")(
        **{"vocab_size": len(tokenizer), "tie_word_embeddings": True, **SHAPE, **HEADS, **own, **ids, **changes}
    )
    torch.manual_seed(0)
    network = getattr(transformers, f"{classes[family]}ForCausalLM")(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    Model(network, tokenizer).save(folder)
    return folder


def loaded(folder: Path) -> Model:
    """A folder's model, as a run loads it."""
    return load(str(folder), Compute(device="cpu"), "base")


def byte_level(qwen: bool) -> Any:
    """Bytes are characters, and the special tokens come after the vocabulary; of Qwen's class, or a plain one.

    The plain one puts a token before each text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    if qwen:
        vocabulary, merges = vocabulary_of(tokenizer)
        return Qwen2Tokenizer(vocab=vocabulary, merges=merges, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.add_special_tokens(["<|bos|>", "<|end|>", "<|pad|>", "<|reserved_special_token_0|>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", tokenizer.token_to_id("<|bos|>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|end|>", pad_token="<|pad|>"
    )


def gemma() -> Any:
    """Spaces are a sign of their own, and what the vocabulary has not is written in bytes."""
    from transformers import GemmaTokenizer

    vocabulary, merges = pieces(["<pad>", "<eos>", "<bos>", "<unk>"], ["<unused0>"])
    made = GemmaTokenizer(vocab=vocabulary, merges=merges, mask_token=None)
    made.add_tokens(["<unused0>"], special_tokens=True)
    return made


def llama_2() -> Any:
    """As Gemma's, with a space before each text."""
    from transformers import LlamaTokenizer

    vocabulary, merges = pieces(["<unk>", "<s>", "</s>"], [])
    return LlamaTokenizer(vocab=vocabulary, merges=merges)


def pieces(first: list[str], last: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens and merges of words with a sign for the space before them; bytes come after the ``first`` tokens."""
    from tokenizers import Tokenizer, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    special = [*first, *(f"<0x{byte:02X}>" for byte in range(256)), *last]
    words = [word for text in TEXTS for word in text.replace(" ", "\0 ").split("\0")]
    tokenizer.train_from_iterator(
        [*words, "▁", "é", "中"], trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    )
    return vocabulary_of(tokenizer)


def vocabulary_of(tokenizer: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A BPE's tokens and merges."""
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [(left, right) for left, right in model["merges"]]
