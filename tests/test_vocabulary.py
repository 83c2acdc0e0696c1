"""A trimmed vocabulary encodes any text, decodes it as its base does, and keeps the tokens of its texts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bridge_distill.config import Shrink
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model, load_tokenizer
from bridge_distill.models.shrink import cut
from bridge_distill.models.shrink.vocabulary import trim
from effort import repeats
from families import TEXTS, byte_level, gemma, llama_2, loaded, save

FUZZ = repeats(5000)


def any_texts(seed: int, count: int) -> list[str]:
    """Texts of any Unicode characters, and of what tokenizers treat in ways of their own."""
    draw = random.Random(seed)
    odd = [
        "▁",
        " ",
        "  ",
        "\n\n",
        "\t",
        "<0x41>",
        "é",
        "e\u0301",
        "🏳️‍🌈",
        "عربي",
        "中文",
        "\u200d",
        "1234",
        "don't",
        "\0",
    ]

    def sign() -> str:
        kind = draw.random()
        if kind < 0.4:
            code = draw.choice([draw.randrange(0x110000), draw.randrange(0x3000), draw.randrange(128)])
            return "" if 0xD800 <= code < 0xE000 else chr(code)
        return draw.choice(odd) if kind < 0.7 else draw.choice(draw.choice(TEXTS).split(" "))

    return ["".join(sign() for _ in range(draw.randrange(24))) for _ in range(count)]


def rebuilt(tokenizer: Any, kept: list[str], folder: Path) -> Any:
    """A trimmed tokenizer as it is read back from a folder."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    tokenizer._tokenizer = Tokenizer.from_str(trim(tokenizer, kept, 20).tokenizer_json)
    tokenizer.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def said(tokenizer: Any, text: str) -> str:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))


MAKERS = {"bytes": lambda: byte_level(False), "qwen": lambda: byte_level(True), "gemma": gemma, "llama 2": llama_2}


@pytest.mark.parametrize("kind", MAKERS)
def test_any_text_decodes_as_the_base_decodes_it(kind: str, tmp_path: Path) -> None:
    base, trimmed = MAKERS[kind](), rebuilt(MAKERS[kind](), TEXTS[:3], tmp_path)
    assert len(trimmed) < len(base)
    for text in any_texts(1, FUZZ // 5):
        assert said(trimmed, text) == said(base, text)


@pytest.mark.parametrize("kind", MAKERS)
def test_texts_keep_their_tokens(kind: str, tmp_path: Path) -> None:
    base, trimmed = MAKERS[kind](), rebuilt(MAKERS[kind](), TEXTS[:9], tmp_path)
    for text in TEXTS[:9]:
        assert trimmed.convert_ids_to_tokens(trimmed(text)["input_ids"]) == base.convert_ids_to_tokens(
            base(text)["input_ids"]
        )


def test_a_word_keeps_its_tokens_wherever_it_stands(tmp_path: Path) -> None:
    base, states = load_tokenizer("smollm2-135m", "base"), ["Kentucky", "Virginia", "Nebraska", "Ohio", "Maine"]
    asked = [f"A firm from {state} sues." for state in states]
    trimmed = rebuilt(load_tokenizer("smollm2-135m", "base"), asked, tmp_path)
    for text in [f"{one} sues {other}.\n{one}" for one in states for other in states]:
        assert trimmed.tokenize(text) == base.tokenize(text)


def test_any_text_round_trips_through_the_embedded_base_s_trimmed_tokenizer(tmp_path: Path) -> None:
    base = load_tokenizer("smollm2-135m", "base")
    trimmed = rebuilt(load_tokenizer("smollm2-135m", "base"), TEXTS[:9], tmp_path)
    assert len(trimmed) < len(base) / 20
    # Eight bytes that UTF-8 may use are in no token of this base: it cannot write what holds them.
    unknown = {0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xF1, 0xF2}
    for text in any_texts(2, FUZZ):
        assert said(trimmed, text) == said(base, text)
        assert said(trimmed, text) == text or unknown & set(text.encode())


def test_special_tokens_keep_their_meaning_under_their_new_numbers(tmp_path: Path) -> None:
    model = loaded(save("llama", tmp_path / "base"))
    model.network.generation_config.eos_token_id = [model.tokenizer.eos_token_id, model.tokenizer.pad_token_id]
    cut(model, Shrink(vocabulary="task", common_tokens=0), TEXTS[:2], "s").save(tmp_path / "cut")
    again = loaded(tmp_path / "cut")
    ids = again.tokenizer(TEXTS[0])["input_ids"]
    assert again.tokenizer.convert_ids_to_tokens(ids[:1]) == ["<|bos|>"]
    network = model.network
    assert again.tokenizer.convert_ids_to_tokens(network.generation_config.eos_token_id) == ["<|end|>", "<|pad|>"]
    assert network.config.pad_token_id == again.tokenizer.pad_token_id
    assert network.get_input_embeddings().padding_idx == again.tokenizer.pad_token_id


def test_a_placeholder_goes_unless_a_text_holds_it() -> None:
    name = "<|reserved_special_token_0|>"
    for texts, there in (([TEXTS[0]], False), ([f"{TEXTS[0]} {name}"], True)):
        spec = json.loads(trim(byte_level(False), texts, 0).tokenizer_json)
        assert (name in [token["content"] for token in spec["added_tokens"]]) is there


def test_a_tokenizer_that_knows_no_bytes_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>"))
    model = loaded(save("llama", tmp_path))
    other = Model(model.network, PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>"))
    with pytest.raises(UserError, match=r"^s\.vocabulary: a WordLevel tokenizer that knows no bytes"):
        cut(other, Shrink(vocabulary="task"), TEXTS, "s")


def test_a_tokenizer_with_more_tokens_than_its_model_has_rows_is_refused(tmp_path: Path) -> None:
    model = loaded(save("llama", tmp_path))
    model.tokenizer.add_tokens(["<|more|>"])
    with pytest.raises(UserError, match=r"^s\.vocabulary: the tokenizer has a token 604, the model only 604 rows"):
        cut(model, Shrink(vocabulary="task"), TEXTS, "s")
