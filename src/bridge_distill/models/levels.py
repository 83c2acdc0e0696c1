"""Explanations from a model that was taught the levels of a trace: in one go, or level by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bridge_distill import prompts
from bridge_distill.config import Levels
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.models.generator import Asked, Decoding, Generation, Generator, seed_of
from bridge_distill.records import Question
from bridge_distill.traces import one_line


def explain(
    generator: Generator,
    questions: Sequence[Question],
    levels: Levels,
    decoding: Decoding,
    seed: int,
    tick: Tick = unseen,
    first: int = 0,
) -> list[list[Generation]]:
    """Write ``decoding.samples`` explanations of each question, as the generator does, in the way they were taught.

    ``first`` is the first question's position in its pool. Of a model that learnt separate ``tasks``, each sample
    draws its strategy and goes on from there; the token limit holds for the whole. Other models write both levels
    in one go.
    """
    if levels != "tasks":
        asked = [Asked(prompts.local(question)) for question in questions]
        return generator.write(asked, decoding, seed, tick, range(first, first + len(asked)))
    return _level_by_level(generator, questions, decoding, seed, tick, first)


def _level_by_level(
    generator: Generator,
    questions: Sequence[Question],
    decoding: Decoding,
    seed: int,
    tick: Tick,
    first: int,
) -> list[list[Generation]]:
    asked = [Asked(prompts.strategy(question)) for question in questions]
    plans = generator.write(asked, decoding, seed, positions=range(first, first + len(asked)))
    owners = [index for index, samples in enumerate(plans) for _ in samples]
    written = [replace(plan, text=one_line(plan.text)) for samples in plans for plan in samples]
    one, places = replace(decoding, samples=1), range(first * decoding.samples, (first + len(plans)) * decoding.samples)
    asked = [Asked(prompts.tactics(questions[i], plan.text)) for i, plan in zip(owners, written, strict=True)]
    steps = [found[0] for found in generator.write(asked, one, seed_of(seed, 1), positions=places)]
    asked = [
        Asked(prompts.conclusion(questions[i], plan.text, step.text))
        for i, plan, step in zip(owners, written, steps, strict=True)
    ]
    answers = [found[0] for found in generator.write(asked, one, seed_of(seed, 2), positions=places)]
    tick(len(questions))
    whole = [_joined(parts, decoding.max_new_tokens) for parts in zip(written, steps, answers, strict=True)]
    results: list[list[Generation]] = [[] for _ in questions]
    for owner, generation in zip(owners, whole, strict=True):
        results[owner].append(generation)
    return results


def _joined(parts: Sequence[Generation], limit: int) -> Generation:
    """The levels as one text, with means over the tokens of all.

    It is finished if all are, within ``limit``; beyond that it ends before its answer, as one written in one go does.
    """
    tokens = sum(part.tokens for part in parts)
    share = [part.tokens / max(tokens, 1) for part in parts]
    return Generation(
        "\n".join(part.text for part in (parts if tokens <= limit else parts[:-1])),
        tokens,
        all(part.finished for part in parts) and tokens <= limit,
        sum(weight * part.log_probability for weight, part in zip(share, parts, strict=True)),
        sum(weight * part.entropy for weight, part in zip(share, parts, strict=True)),
        sum(weight * part.top_entropy for weight, part in zip(share, parts, strict=True)),
    )
