"""Questions in, guided explanations or answers out: what tutor, evaluation and serving call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge_distill import prompts
from bridge_distill.answers import as_one, read_answer
from bridge_distill.config import Guide
from bridge_distill.engine.progress import Tick, unseen
from bridge_distill.errors import UserError
from bridge_distill.guidance.draft import GIVEN, OVERRULED, Draft
from bridge_distill.guidance.plans import Plans
from bridge_distill.guidance.turns import Rules
from bridge_distill.guidance.vote import elect
from bridge_distill.guidance.writing import begin, carry_on
from bridge_distill.models.generator import Asked, Decoding, Generator
from bridge_distill.records import Question, without_gold
from bridge_distill.traces import strategy_part


@dataclass(frozen=True)
class Guidance:
    """A guide, the strategies that it gives, if it gives any, and the seed of what is drawn."""

    guide: Guide
    plans: Plans | None
    seed: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's answer under a guide, None where none can be read.

    ``text`` is the whole reply that gives it, ``tokens`` all that were written for the question, what was taken back
    and outvoted included; ``finished`` is False where a limit cut the reply off. ``agreement`` is the answer's share
    of the votes (1 without a vote). ``acts`` names each intervention in order, over all samples.
    """

    text: str
    answer: str | None
    tokens: int
    finished: bool
    log_probability: float
    agreement: float
    acts: tuple[str, ...]


def answer(
    generator: Generator,
    questions: Sequence[Question],
    guide: Guide,
    max_new_tokens: int = 160,
    seed: int = 0,
    plans: Plans | None = None,
    tick: Tick = unseen,
    first: int = 0,
) -> list[Answered]:
    """Answer each question greedily, or by the guide's vote, as the guide says.

    ``max_new_tokens`` limits an explanation with its answer where the guide has no ceiling. ``plans`` are the
    strategies to give (``make_plans``). What is drawn depends on ``seed`` and a question's place, ``first`` for the
    first, alone. Raises ``UserError`` where the guide gives strategies and there are no ``plans``.
    """
    vote = guide.vote
    one = Decoding(max_new_tokens)
    decoding = one if vote is None else Decoding(max_new_tokens, vote.temperature, vote.samples)
    replies = explain(generator, questions, guide, decoding, seed, plans, tick, first)
    weighted = vote is not None and vote.weighted
    return [_answered(question, drafts, weighted) for question, drafts in zip(questions, replies, strict=True)]


def explain(
    generator: Generator,
    questions: Sequence[Question],
    guide: Guide,
    decoding: Decoding,
    seed: int,
    plans: Plans | None = None,
    tick: Tick = unseen,
    first: int = 0,
) -> list[list[Draft]]:
    """Write ``decoding.samples`` guided replies to each question; the vote is left to the caller (see ``answer``)."""
    blind = [without_gold(question) for question in questions]
    asked = [
        Asked(prompts.local(question), given)
        for question, given in zip(blind, _given(guide, blind, plans, first), strict=True)
    ]
    limit = guide.ceiling or decoding.max_new_tokens
    drafts = begin(generator, asked, replace(decoding, max_new_tokens=limit), seed, first)
    for draft in drafts:
        draft.acts += [GIVEN] if draft.given else []
    carry_on(generator, drafts, Rules(guide, limit, decoding.temperature, generator.count), seed)
    tick(len(questions))
    return [drafts[at : at + decoding.samples] for at in range(0, len(drafts), decoding.samples)]


def _given(guide: Guide, questions: Sequence[Question], plans: Plans | None, first: int) -> list[str]:
    if guide.strategy == "own":
        return [""] * len(questions)
    if plans is None:
        problem = f"{guide.strategy} strategies are to be given, and there are none"
        raise UserError("guide.strategy", problem, "pass plans, or set it to own")
    return [f"{strategy_part(plan)}\n" for plan in plans(questions, first)]


def _answered(question: Question, drafts: Sequence[Draft], weighted: bool) -> Answered:
    answers = [read_answer(draft.text, without_gold(question)) for draft in drafts]
    meant = as_one(answers, question)
    chosen, agreement = (drafts[0], 1.0) if len(drafts) == 1 else elect(drafts, meant, weighted)
    said = read_answer(chosen.text, without_gold(question))
    acts = [act for draft in drafts for act in draft.acts]
    overruled = meant[next(at for at, draft in enumerate(drafts) if draft is chosen)] != meant[0]
    return Answered(
        chosen.text,
        said,
        sum(draft.spent for draft in drafts),
        chosen.finished,
        chosen.log_probability,
        agreement,
        (*acts, OVERRULED) if overruled else tuple(acts),
    )
