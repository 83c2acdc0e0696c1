"""The untuned assistant's one pass over the pool: how unsure it is, and where each question lies."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bridge_distill import artifacts, prompts
from bridge_distill.answers import MARK, options_of, read_answer
from bridge_distill.config import Compute, Score
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import write_rows
from bridge_distill.errors import UserError
from bridge_distill.models.generate import Decoding, generate
from bridge_distill.models.load import Model, load
from bridge_distill.models.signals import read_prompts
from bridge_distill.records import Question
from bridge_distill.records import Score as ScoreRow

_DIRECT_TOKENS = 12


def score(settings: Score, base: str, data: Path, folder: Path, compute: Compute, seed: int) -> dict[str, Any]:
    """Write a ``Score`` and an embedding for each training question; returns figures.

    *Answer entropy*: over the choices, from the next-token probabilities after ``Answer:``; for open
    answers over ``samples`` sampled short answers. *Draft entropy*: mean token entropy of the first
    ``draft_tokens`` tokens of the model's own greedy explanation. *Difficulty*: the mean of both
    signals' ranks, scaled to 0..1 (a rank is comparable across signals with different units).
    """
    questions = artifacts.train_questions(data)
    model = load(base, compute, "score.base")
    asked = [prompts.local(question) for question in questions]
    _refuse_too_long(model, questions, asked)
    with progress("reading the pool", len(asked)) as tick:
        reading = read_prompts(model, asked, MARK, [options_of(q) for q in questions], compute.batch_tokens, tick)
    answers = reading.option_entropy
    open_ended = np.flatnonzero(np.isnan(answers))
    if len(open_ended):
        answers[open_ended] = _sampled_entropy(model, [questions[i] for i in open_ended], settings, compute, seed)
    drafts = _draft_entropy(model, asked, settings, compute, seed)
    difficulty = (
        _scaled_rank(answers) if settings.draft_tokens == 0 else (_scaled_rank(answers) + _scaled_rank(drafts)) / 2
    )
    rows = [
        ScoreRow(q.id, float(answers[i]), float(drafts[i]), float(difficulty[i]), int(reading.tokens[i]))
        for i, q in enumerate(questions)
    ]
    write_rows(folder / artifacts.SCORES, ScoreRow, rows)
    np.save(folder / artifacts.EMBEDDINGS, reading.embeddings)
    return {
        "questions": len(rows),
        "mean_answer_entropy": float(np.mean(answers)),
        "mean_draft_entropy": float(np.mean(drafts)),
        "prompt_tokens": int(reading.tokens.sum()),
        "longest_prompt": int(reading.tokens.max()),
    }


def _refuse_too_long(model: Model, questions: list[Question], asked: list[str]) -> None:
    limit = model.network.config.max_position_embeddings
    for question, prompt in zip(questions, asked, strict=True):
        length = len(model.prompt_ids(prompt))
        if length > limit:
            raise UserError(
                f"question {question.id}", f"has {length} tokens, the base reads {limit}", "shorten or remove it"
            )


def _sampled_entropy(
    model: Model, questions: list[Question], settings: Score, compute: Compute, seed: int
) -> list[float]:
    """Entropy over distinct answers among ``samples`` short ones, each forced to begin with the mark."""
    decoding = Decoding(_DIRECT_TOKENS, temperature=1.0, samples=settings.samples, prefix=MARK)
    with progress("sampling answers", len(questions)) as tick:
        written = generate(model, [prompts.local(q) for q in questions], decoding, compute.batch_tokens, seed, tick)
    entropies = []
    for question, samples in zip(questions, written, strict=True):
        counts = Counter(read_answer(f"{MARK} {sample.text}", question) or sample.text for sample in samples)
        shares = [count / len(samples) for count in counts.values()]
        entropies.append(-sum(share * math.log(share) for share in shares))
    return entropies


def _draft_entropy(
    model: Model, asked: list[str], settings: Score, compute: Compute, seed: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    if settings.draft_tokens == 0:
        return np.zeros(len(asked))
    with progress("drafting", len(asked)) as tick:
        written = generate(model, asked, Decoding(settings.draft_tokens), compute.batch_tokens, seed, tick)
    return np.array([samples[0].entropy for samples in written])


def _scaled_rank(values: Any) -> Any:
    """Average ranks scaled to 0..1; all equal values share 0.5."""
    return (rankdata(values) - 0.5) / len(values)
