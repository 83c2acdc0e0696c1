"""Trim a BPE tokenizer to the tokens of some texts plus a byte-complete remainder.

Any text still encodes, and decodes to what it did before. Texts whose tokens were all kept encode to the same
tokens: the kept merges are a subset of the old ones, in the old order, and hold every merge that those tokens are
made by. Bytes are either characters of their own (GPT-2, Llama 3, Qwen, SmolLM) or a fallback for characters that the
vocabulary has not (Llama 2, Gemma).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Rows that were never trained: hundreds in Llama 3, thousands in Gemma 3.
_PLACEHOLDER = re.compile(r"<unused\d+>|<\|reserved_special_token_\d+\|>")
_SPACE = "▁"
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Trimmed:
    """``kept[new_id]`` is the old id; ``tokenizer_json`` is the rebuilt tokenizer."""

    kept: list[int]
    tokenizer_json: str


def trim(tokenizer: Any, texts: Iterable[str], common: int) -> Trimmed:
    """Keep the tokens of ``texts``, all bytes, the added tokens, and the ``common`` earliest merges.

    A word of ``texts`` keeps the tokens that it has after a space and those at the beginning of a line: an explanation
    may begin with what a question named in its middle. ``tokenizer`` is a transformers fast tokenizer. Raises
    ``ValueError`` if it is no BPE over bytes.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    keep = _remainder(spec)
    found = _ids(tokenizer, texts)
    spec["added_tokens"] = [
        token for token in spec["added_tokens"] if token["id"] in found or _named(tokenizer, token["content"])
    ]
    added = {token["content"]: token["id"] for token in spec["added_tokens"]}
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in spec["model"]["merges"]]
    for left, right in merges[:common]:
        keep |= {left, right, left + right}
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    names = {index: token for token, index in vocabulary.items()}
    for token in {names[i] for i in found if i in names} - added.keys():
        keep |= {token} | _parts(token, ranks)
    kept = sorted({vocabulary[token] for token in keep if token in vocabulary} | set(added.values()))
    new_id = {old: new for new, old in enumerate(kept)}
    spec["model"]["vocab"] = {names[old]: new for old, new in new_id.items() if old in names}
    spec["model"]["merges"] = [[a, b] for a, b in merges if a in keep and b in keep and a + b in keep]
    for token in spec["added_tokens"]:
        token["id"] = new_id[token["id"]]
    _renumber(spec.get("post_processor"), new_id)
    return Trimmed(kept, _rebuilt(spec))


def _ids(tokenizer: Any, texts: Iterable[str]) -> set[int]:
    """The tokens of texts, and of their words after a space and in lines of their own."""
    encode, found, words = tokenizer.backend_tokenizer.encode, set[int](), set[str]()
    for text in texts:
        found.update(encode(text).ids)
        words.update(_WORD.findall(text))
    for word in words:
        found.update(encode(f" {word}").ids, encode(f"\n{word}").ids)
    return found


def _remainder(spec: Mapping[str, Any]) -> set[str]:
    """Tokens that stay whatever the texts say: those that any text can be written in, as far as the base can."""
    model = spec["model"]
    if model["type"] == "BPE" and model.get("byte_fallback"):
        letters = {token for token in model["vocab"] if len(token) == 1 and (token.isascii() or token == _SPACE)}
        letters |= {f"<0x{byte:02X}>" for byte in range(256)}
    elif model["type"] == "BPE" and "ByteLevel" in json.dumps(spec.get("pre_tokenizer")):
        letters = {token for token in model["vocab"] if len(token) == 1}
    else:
        raise ValueError(f"a {model['type']} tokenizer that knows no bytes cannot be trimmed")
    return letters | ({model["unk_token"]} if model.get("unk_token") else set())


def _named(tokenizer: Any, added: str) -> bool:
    """Whether an added token is more than a placeholder."""
    if _PLACEHOLDER.fullmatch(added) is None:
        return True
    return added in tokenizer.all_special_tokens or added in str(tokenizer.chat_template)


def _parts(token: str, ranks: Mapping[tuple[str, ...], int]) -> set[str]:
    """Every token that BPE makes on the way to this one, its characters included."""
    pieces = list(token)
    made = set(pieces)
    while len(pieces) > 1:
        pairs = [(ranks.get((pieces[i], pieces[i + 1]), len(ranks)), i) for i in range(len(pieces) - 1)]
        rank, i = min(pairs)
        if rank == len(ranks):
            break
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
        made.add(pieces[i])
    return made


def _renumber(part: Any, new_id: Mapping[int, int]) -> None:
    """The ids of the tokens that a tokenizer puts around a text, in place."""
    if part is None:
        return
    for inner in part.get("processors", []):
        _renumber(inner, new_id)
    for token in part.get("special_tokens", {}).values():
        token["ids"] = [new_id[old] for old in token["ids"]]
    for end in ("sep", "cls"):
        if end in part:
            part[end] = [part[end][0], new_id[part[end][1]]]


def _rebuilt(spec: Mapping[str, Any]) -> str:
    """The tokenizer's JSON; raises ``ValueError`` if its library would number the added tokens in another way."""
    from tokenizers import Tokenizer

    text = json.dumps(spec, ensure_ascii=False)
    read = Tokenizer.from_str(text)
    if any(read.token_to_id(token["content"]) != token["id"] for token in spec["added_tokens"]):
        raise ValueError("its added tokens stand between those of its vocabulary, so it cannot be trimmed")
    return text
