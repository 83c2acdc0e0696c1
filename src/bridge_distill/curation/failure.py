"""Difficulty by failure: local models attempt each question, and what they can do already is not worth teaching.

s1 (Muennighoff et al. 2025, arXiv 2501.19393) drops a question that either of two models answers right.
Attempts are kept by the question's wording and answer form, a shard at a time: a killed or a changed curation asks
for none of them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bridge_distill import prompts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Compute
from bridge_distill.curation.contract import asked_key
from bridge_distill.engine.fingerprint import fingerprint
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import read_rows, write_rows
from bridge_distill.models.bases import base_digest
from bridge_distill.models.generator import Asked, Decoding, open_generator
from bridge_distill.records import Question

SHARD = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a model answered (None: nothing that can be read) to the question of that ``asked_key``."""

    key: str
    answer: str | None
    finished: bool


def solved(model: str, questions: Sequence[Question], max_new_tokens: int, folder: Path) -> list[bool]:
    """Whether a local model's greedy answer to each question is right; ``folder`` keeps the attempts.

    A question without gold counts as not solved and is not attempted.
    """
    settings = {"base": base_digest(model, "--model"), "max_new_tokens": max_new_tokens}
    kept = folder / fingerprint("attempts", settings, {})[:16]
    kept.mkdir(parents=True, exist_ok=True)
    known = {row.key: row.answer for file in sorted(kept.glob("*.parquet")) for row in read_rows(file, Attempt)}
    keys = [asked_key(question) for question in questions]
    missing = [(k, q) for k, q in zip(keys, questions, strict=True) if k not in known and q.answer is not None]
    for attempt in _attempts(model, missing, max_new_tokens, kept):
        known[attempt.key] = attempt.answer
    return [is_correct(known.get(key), question) for key, question in zip(keys, questions, strict=True)]


def _attempts(model: str, missing: list[tuple[str, Question]], max_new_tokens: int, kept: Path) -> Iterator[Attempt]:
    if not missing:
        return
    generator, decoding = open_generator(model, Compute(), "--model"), Decoding(max_new_tokens)
    files = (kept / f"{number:06d}.parquet" for number in count(len([*kept.glob("*.parquet")])))
    with progress(f"{model} attempts", len(missing)) as tick:
        for start in range(0, len(missing), SHARD):
            part = missing[start : start + SHARD]
            asked = [Asked(prompts.local(question)) for _, question in part]
            written = generator.write(asked, decoding, 0, tick)
            rows = [
                Attempt(key, read_answer(samples[0].text, question), samples[0].finished)
                for (key, question), samples in zip(part, written, strict=True)
            ]
            write_rows(next(files), Attempt, rows)
            yield from rows
