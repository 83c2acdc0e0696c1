"""Shared fixtures: an isolated cache, a tiny base model that trains in a second, and a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chromium import PROGRAM
from classroom import CANARY, KEY_ENV

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ["HF_HUB_OFFLINE"] = "1"
# A tiny model is slower on many threads than on one.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache and keys out of every test, and give them a key of their own."""
    monkeypatch.setenv("BRIDGE_DISTILL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(KEY_ENV, CANARY)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: a byte-level BPE tokenizer of 600 tokens and a Llama of four layers that can end a sentence."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from bridge_distill import practice, prompts
    from bridge_distill.models.bases import CHAT_TEMPLATE
    from bridge_distill.models.load import Model
    from bridge_distill.models.train import Example, Training, fine_tune

    questions = practice.make("legal", 200, 5, 0.0)
    texts = [q.text + "\n" + practice.explain(q, phrasing=0, error=False) for q in questions]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>"
    )
    fast.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    model = Model(LlamaForCausalLM(config), fast)
    examples = [Example(prompts.local(q), practice.explain(q, phrasing=0, error=False)) for q in questions]
    fine_tune(model, examples, Training(120, 8, 5e-3, 400, 1000, 0), tmp_path_factory.mktemp("training"), "tiny base")
    model.save(folder)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for the tests of one file: its driver's event loop must not outlive them."""
    if PROGRAM is None:
        pytest.skip("no chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PROGRAM)
        yield browser
        browser.close()
