"""Where the traces' questions lie: by their words alone, or by an embedder that selection knows."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill import prompts
from bridge_distill.config import Compute
from bridge_distill.curation.contract import asked_key
from bridge_distill.engine.fingerprint import fingerprint
from bridge_distill.engine.progress import progress
from bridge_distill.models.bases import base_digest
from bridge_distill.models.load import Model, load
from bridge_distill.models.reading import Reading, read
from bridge_distill.records import Question
from bridge_distill.selection.measure import embedder_digest, find_embedder

SHARD = 64
_WIDTH = 64
_SLOTS = 1 << 15
_WORD = re.compile(r"\w+")


def lexical(texts: Sequence[str], seed: int) -> NDArray[np.float32]:
    """Latent semantic analysis (Deerwester et al. 1990): unit vectors (texts, at most 64), no model needed.

    Words are hashed to 32,768 slots, weighed by log frequency times inverse document frequency, and
    projected on the leading singular vectors.
    """
    from scipy.sparse.linalg import svds

    weights = _weights(texts)
    width = min(_WIDTH, min(weights.shape) - 1)
    if width < 1:
        return np.ones((len(texts), 1), dtype=np.float32)
    start = np.random.default_rng(seed).standard_normal(min(weights.shape))
    left, strength, _ = svds(weights, width, v0=start)
    found = left * strength
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (found / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def embedded(questions: Sequence[Question], embedder: str, base: str, folder: Path) -> NDArray[np.float32]:
    """Vectors of an embedder of selection; ``folder`` keeps them by wording and answer form, in shards."""
    read_by = base_digest(base, "--base") if embedder.partition(":")[0] == "assistant" else None
    settings = {"embedder": embedder, "holds": embedder_digest(embedder), "base": read_by}
    kept = folder / fingerprint("vectors", settings, {})[:16]
    kept.mkdir(parents=True, exist_ok=True)
    known: dict[str, NDArray[np.float32]] = {}
    for file in sorted(kept.glob("*.npz")):
        with np.load(file, allow_pickle=False) as part:
            known |= zip(part["keys"].tolist(), part["vectors"], strict=True)
    keys = [asked_key(question) for question in questions]
    missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in known}
    if missing:
        known |= _embed(missing, embedder, _Loader(base), kept)
    return np.stack([known[key] for key in keys])


class _Loader:
    """The assistant's base, loaded when an embedder first reads with it."""

    def __init__(self, base: str) -> None:
        self._base = base

    @cached_property
    def model(self) -> Model:
        return load(self._base, Compute(), "--base")


class _Asked:
    """Questions that an embedder is given."""

    def __init__(self, questions: Sequence[Question], loader: _Loader) -> None:
        self.questions, self._loader = questions, loader

    @cached_property
    def reading(self) -> Reading:
        model = self._loader.model
        return read(model, [model.prompt_ids(prompts.local(question)) for question in self.questions])


def _embed(missing: dict[str, Question], embedder: str, loader: _Loader, kept: Path) -> dict[str, NDArray[np.float32]]:
    embed = find_embedder(embedder)
    found: dict[str, NDArray[np.float32]] = {}
    rows = sorted(missing.items(), key=lambda row: (-len(row[1].text), row[0]))
    numbers = count(len([*kept.glob("*.npz")]))
    with progress("embedding the questions", len(rows)) as tick:
        for start in range(0, len(rows), SHARD):
            part = dict(rows[start : start + SHARD])
            vectors = embed(_Asked([*part.values()], loader))
            file = kept / f"{next(numbers):06d}.npz"
            with file.with_suffix(".partial").open("wb") as stream:
                np.savez(stream, keys=np.array([*part]), vectors=vectors)
            file.with_suffix(".partial").replace(file)
            found.update(zip(part, vectors, strict=True))
            tick(len(part))
    return found


def _weights(texts: Sequence[str]) -> Any:
    """A sparse matrix (texts, slots) of weighted words, rows of length 1."""
    from scipy.sparse import csr_matrix

    counted = [Counter(zlib.crc32(word.encode()) % _SLOTS for word in _WORD.findall(text.lower())) for text in texts]
    seen: Counter[int] = Counter(slot for words in counted for slot in words)
    rarity = {slot: math.log((1 + len(texts)) / (1 + number)) + 1 for slot, number in seen.items()}
    used = {slot: place for place, slot in enumerate(sorted(seen))}
    starts = np.cumsum([0, *map(len, counted)])
    places = np.fromiter((used[slot] for words in counted for slot in words), dtype=np.int32, count=int(starts[-1]))
    values = np.fromiter(
        ((1 + math.log(number)) * rarity[slot] for words in counted for slot, number in words.items()),
        dtype=np.float64,
        count=int(starts[-1]),
    )
    lengths = np.sqrt(np.add.reduceat(np.append(values**2, 0), np.minimum(starts[:-1], len(values))))
    values /= np.repeat(np.maximum(lengths, 1e-12), np.diff(starts))
    return csr_matrix((values, places, starts), shape=(len(texts), max(len(used), 1)))
