"""The untuned assistant's one pass over the pool: how unsure it is, and where each question lies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bridge_distill import artifacts, prompts
from bridge_distill.answers import MARK, options_of, read_answer
from bridge_distill.config import Compute, Score
from bridge_distill.engine.progress import Tick, progress
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.shards import in_shards
from bridge_distill.errors import UserError
from bridge_distill.models.generate import Decoding, generate
from bridge_distill.models.load import Model, load
from bridge_distill.models.signals import read_prompts
from bridge_distill.records import Question
from bridge_distill.records import Score as ScoreRow

_DIRECT_TOKENS = 12


def score(
    settings: Score, base: str, place: str, data: Path, folder: Path, scratch: Path, compute: Compute, seed: int
) -> dict[str, Any]:
    """Write a ``Score`` and an embedding for each training question; returns figures.

    *Answer entropy*: over the choices, from the next-token probabilities after ``Answer:``; for open
    answers over ``samples`` sampled short answers. *Draft entropy*: mean token entropy of the first
    ``draft_tokens`` tokens of the model's own greedy explanation. *Difficulty*: the mean of both
    signals' ranks, scaled to 0..1 (a rank is comparable across signals with different units).
    """
    questions = artifacts.train_questions(data)
    model = load(base, compute, place)
    _refuse_too_long(model, questions)
    with progress("scoring the pool", len(questions)) as tick:

        def measure(part: Sequence[Question], start: int, file: Path) -> list[ScoreRow]:
            return _measure(model, part, settings, compute, seed + start, file.with_suffix(".npy"), tick)

        rows, files = in_shards(questions, settings.shard, scratch, ScoreRow, measure, tick)
    signals = [_scaled_rank([row.answer_entropy for row in rows])]
    if settings.draft_tokens:
        signals.append(_scaled_rank([row.draft_entropy for row in rows]))
    difficulty = np.mean(signals, axis=0)
    rows = [replace(row, difficulty=float(value)) for row, value in zip(rows, difficulty, strict=True)]
    write_rows(folder / artifacts.SCORES, ScoreRow, rows)
    np.save(folder / artifacts.EMBEDDINGS, np.concatenate([np.load(file.with_suffix(".npy")) for file in files]))
    return {
        "questions": len(rows),
        "mean_answer_entropy": float(np.mean([row.answer_entropy for row in rows])),
        "mean_draft_entropy": float(np.mean([row.draft_entropy for row in rows])),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "longest_prompt": max(row.prompt_tokens for row in rows),
    }


def _measure(
    model: Model, questions: Sequence[Question], settings: Score, compute: Compute, seed: int, file: Path, tick: Tick
) -> list[ScoreRow]:
    """The signals of a shard; its embeddings go to ``file`` first, and difficulty waits for the whole pool."""
    asked = [prompts.local(question) for question in questions]
    reading = read_prompts(model, asked, MARK, [options_of(q) for q in questions], compute.batch_tokens)
    answers = reading.option_entropy
    open_ended = np.flatnonzero(np.isnan(answers))
    if len(open_ended):
        answers[open_ended] = _sampled_entropy(model, [questions[int(i)] for i in open_ended], settings, compute, seed)
    drafts = _draft_entropy(model, asked, settings, compute, seed)
    np.save(file, reading.embeddings)
    tick(len(questions))
    return [
        ScoreRow(question.id, float(answers[i]), float(drafts[i]), float("nan"), int(reading.tokens[i]))
        for i, question in enumerate(questions)
    ]


def _refuse_too_long(model: Model, questions: Sequence[Question]) -> None:
    limit = model.network.config.max_position_embeddings
    for question in questions:
        length = len(model.prompt_ids(prompts.local(question)))
        if length > limit:
            cure = "shorten or remove it"
            raise UserError(f"question {question.id}", f"has {length} tokens, the base reads {limit}", cure)


def _sampled_entropy(
    model: Model, questions: list[Question], settings: Score, compute: Compute, seed: int
) -> list[float]:
    """Entropy over distinct answers among ``samples`` short ones, each forced to begin with the mark."""
    decoding = Decoding(_DIRECT_TOKENS, temperature=1.0, samples=settings.samples, prefix=MARK)
    written = generate(model, [prompts.local(q) for q in questions], decoding, compute.batch_tokens, seed)
    entropies = []
    for question, samples in zip(questions, written, strict=True):
        counts = Counter(read_answer(f"{MARK} {sample.text}", question) or sample.text for sample in samples)
        shares = [count / len(samples) for count in counts.values()]
        entropies.append(-sum(share * math.log(share) for share in shares))
    return entropies


def _draft_entropy(model: Model, asked: list[str], settings: Score, compute: Compute, seed: int) -> NDArray[np.float64]:
    if settings.draft_tokens == 0:
        return np.zeros(len(asked))
    written = generate(model, asked, Decoding(settings.draft_tokens), compute.batch_tokens, seed)
    return np.array([samples[0].entropy for samples in written])


def _scaled_rank(values: list[float]) -> NDArray[np.float64]:
    """Average ranks scaled to 0..1; all equal values share 0.5."""
    ranks: NDArray[np.float64] = (rankdata(values) - 0.5) / len(values)
    return ranks
