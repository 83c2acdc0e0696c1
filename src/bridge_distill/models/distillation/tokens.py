"""What tokens say, and which tokens of two vocabularies say the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.models.load import Model, text_ids

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Shared:
    """The classes of tokens in which two vocabularies can be compared.

    ``student`` (student's vocabulary,) and ``assistant`` (assistant's vocabulary,) give each token's class, from 0 to
    ``count`` - 1. A token that both have is a class; one that only one of them has belongs to the token that the other
    begins its text with, as "negligence" belongs to "neg" where the other writes "neg", "lig", "ence". The last class
    holds what has no counterpart at all. ``same``: the tokenizers are one, and every token is its own class.
    """

    student: Ids
    assistant: Ids
    count: int
    same: bool


def shared(student: Model, assistant: Model) -> Shared:
    """Compare the vocabularies of two models, whichever tokenizers they have."""
    ours, theirs = _rows(student), _rows(assistant)
    if ours == theirs and _spec(student) == _spec(assistant):
        return Shared(np.arange(ours), np.arange(ours), ours, same=True)
    here, there = surfaces(student.tokenizer, ours), surfaces(assistant.tokenizer, theirs)
    links = [*_same(student, assistant, here, there)]
    links += [(own, other) for own, other in _beginnings(here, there, assistant)]
    links += [(own, other) for other, own in _beginnings(there, here, student)]
    return _classes(ours, theirs, links)


def surfaces(tokenizer: Any, rows: int) -> list[bytes | None]:
    """What each of ``rows`` tokens adds to a text, in UTF-8; None where it is special or not used."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    by_bytes = "ByteLevel" in tokenizer.backend_tokenizer.to_str()
    signs: dict[int, str] = bytes_to_unicode()  # type: ignore[no-untyped-call]
    byte_of = {sign: byte for byte, sign in signs.items()} if by_bytes else None
    added = tokenizer.added_tokens_decoder
    found: list[bytes | None] = [None] * rows
    for token, index in tokenizer.get_vocab().items():
        if index < rows and index not in added:
            found[index] = _surface(token, byte_of)
        elif index < rows and not added[index].special:
            found[index] = token.encode()
    return found


def _surface(token: str, byte_of: dict[str, int] | None) -> bytes:
    if byte_of is not None and all(sign in byte_of for sign in token):
        return bytes(byte_of[sign] for sign in token)
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):  # a byte of SentencePiece
        return bytes([int(token[3:5], 16)])
    return token.replace("▁", " ").encode()


def _rows(model: Model) -> int:
    return int(model.network.get_output_embeddings().weight.shape[0])


def _spec(model: Model) -> dict[str, Any]:
    """What decides which tokens a text has and how it ends; how texts were padded last does not."""
    spec: dict[str, Any] = json.loads(model.tokenizer.backend_tokenizer.to_str())
    return spec | {"truncation": None, "padding": None, "end": model.tokenizer.eos_token_id}


def _same(
    student: Model, assistant: Model, here: list[bytes | None], there: list[bytes | None]
) -> list[tuple[int, int]]:
    """Pairs of tokens that say the same, special ones by name, and the two that end a text."""
    ours, theirs = ({said: number for number, said in enumerate(side) if said} for side in (here, there))
    links = [(own, theirs[said]) for own, said in enumerate(here) if said in theirs]
    links += [(ours[said], other) for other, said in enumerate(there) if said in ours]
    names = {str(token): number for number, token in assistant.tokenizer.added_tokens_decoder.items()}
    for own, token in student.tokenizer.added_tokens_decoder.items():
        if str(token) in names and max(own - len(here), names[str(token)] - len(there)) < 0:
            links.append((own, names[str(token)]))
    return [*links, (student.tokenizer.eos_token_id, assistant.tokenizer.eos_token_id)]


def _beginnings(here: list[bytes | None], there: list[bytes | None], other: Model) -> list[tuple[int, int]]:
    """Each token that only one side has, with the first token that the other writes its text with."""
    known, links = {said for said in there if said}, []
    for own, said in enumerate(here):
        text = None if said is None or said in known else _decoded(said)
        first = text_ids(other.tokenizer, text)[:1] if text else []
        links += [(own, token) for token in first]
    return links


def _decoded(said: bytes) -> str | None:
    try:
        return said.decode()
    except UnicodeDecodeError:  # a piece of a character: no text to be written in another way
        return None


def _classes(ours: int, theirs: int, links: list[tuple[int, int]]) -> Shared:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    own, other = (np.array(side, dtype=np.int64) for side in zip(*links, strict=True))
    total = ours + theirs
    edges = coo_array((np.ones(len(own), dtype=np.int8), (own, other + ours)), shape=(total, total))
    _, labels = connected_components(edges, directed=False)
    linked = np.zeros(total, dtype=bool)
    linked[own] = linked[other + ours] = True
    names, numbers = np.unique(labels[linked], return_inverse=True)
    found = np.full(total, len(names), dtype=np.int64)
    found[linked] = numbers
    return Shared(found[:ours], found[ours:], len(names) + 1, same=False)
