"""Greedy or guided answers, one parser for every model, a verdict for each question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.answers import is_correct, read_answer
from bridge_distill.config import Compute, Evaluate, Levels
from bridge_distill.engine.progress import progress, tell_cut_off
from bridge_distill.engine.rows import write_rows
from bridge_distill.engine.shards import in_shards
from bridge_distill.guidance import ACTS, Answered, Guidance
from bridge_distill.guidance import answer as answer_guided
from bridge_distill.models.generator import Decoding, Generation, open_generator
from bridge_distill.models.levels import explain
from bridge_distill.records import Question, Verdict


def grade(
    settings: Evaluate,
    name: str,
    model: str,
    questions: Sequence[Question],
    folder: Path,
    scratch: Path,
    compute: Compute,
    levels: Levels = "joint",
    guidance: Guidance | None = None,
) -> dict[str, Any]:
    """Write a ``Verdict`` for each question; ``model`` is a base's name or a model folder. Returns figures.

    ``levels`` says how the model was taught, and so how it is asked; ``guidance`` guides its answers.
    """
    generator = open_generator(model, compute, f"evaluate.models ({name})")
    with progress(f"testing the {name}", len(questions)) as tick:

        def answer(part: Sequence[Question], start: int) -> list[Verdict]:
            limit, written = settings.max_new_tokens, list[Generation | Answered]()
            if guidance is None:
                written += [samples[0] for samples in explain(generator, part, levels, Decoding(limit), 0, tick)]
            else:
                how, plans = guidance.guide, guidance.plans
                written += answer_guided(generator, part, how, limit, guidance.seed, plans, tick, start)
            return [_verdict(name, *pair) for pair in zip(part, written, strict=True)]

        verdicts = in_shards(questions, settings.shard, scratch, Verdict, answer, tick)
    write_rows(folder / artifacts.VERDICTS, Verdict, verdicts)
    figures = _figures(verdicts)
    if name != "base":  # untuned, it knows no end
        tell_cut_off(figures["truncated"], len(verdicts), "evaluate.max_new_tokens", settings.max_new_tokens)
    acts = Counter(act for verdict in verdicts for act in verdict.acts or [])
    return figures if guidance is None else figures | {"acts": {act: acts[act] for act in ACTS}}


def _figures(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    correct = sum(verdict.correct for verdict in verdicts)
    return {
        "questions": len(verdicts),
        "correct": correct,
        "accuracy": correct / len(verdicts),
        "parse_failures": sum(not verdict.parsed for verdict in verdicts),
        "truncated": sum(verdict.truncated for verdict in verdicts),
        "tokens": sum(verdict.tokens for verdict in verdicts),
    }


def _verdict(name: str, question: Question, written: Generation | Answered) -> Verdict:
    answer = read_answer(written.text, question)
    return Verdict(
        question.id,
        name,
        written.text,
        answer,
        is_correct(answer, question),
        answer is not None,
        not written.finished,
        written.tokens,
        list(written.acts) if isinstance(written, Answered) else None,
    )
