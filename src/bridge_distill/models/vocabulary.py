"""Trim a byte-level BPE tokenizer to the tokens of some texts plus a byte-complete remainder.

Any text still encodes and round-trips. Texts whose tokens were all kept encode to the same tokens:
the kept merges are a subset of the old ones, in the old order, and hold every merge that those
tokens are made by.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trimmed:
    """``kept[new_id]`` is the old id; ``tokenizer_json`` is the rebuilt tokenizer."""

    kept: list[int]
    tokenizer_json: str


def trim(tokenizer: Any, texts: Iterable[str], common: int) -> Trimmed:
    """Keep the tokens of ``texts``, all bytes, the added tokens, and the ``common`` earliest merges.

    ``tokenizer`` is a transformers fast tokenizer. Raises ``ValueError`` if it is not byte-level BPE.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    if spec["model"]["type"] != "BPE" or spec["model"].get("byte_fallback"):
        raise ValueError("only byte-level BPE tokenizers can be trimmed")
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in spec["model"]["merges"]]
    added = {token["content"] for token in spec["added_tokens"]}
    keep = added | {token for token in vocabulary if len(token) == 1}
    keep |= {left + right for left, right in merges[:common]}
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    names = {index: token for token, index in vocabulary.items()}
    for token in {
        names[i] for text in texts for i in tokenizer.backend_tokenizer.encode(text).ids if i in names
    } - added:
        keep |= _parts(token, ranks)
    kept = sorted(vocabulary[token] for token in keep if token in vocabulary)
    new_id = {old: new for new, old in enumerate(kept)}
    spec["model"]["vocab"] = {names[old]: new for old, new in new_id.items()}
    spec["model"]["merges"] = [[a, b] for a, b in merges if a in keep and b in keep and a + b in keep]
    for token in spec["added_tokens"]:
        token["id"] = new_id[token["id"]]
    return Trimmed(kept, json.dumps(spec, ensure_ascii=False))


def _parts(token: str, ranks: dict[tuple[str, str], int]) -> set[str]:
    """The token and every intermediate token that BPE makes on the way to it."""
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
