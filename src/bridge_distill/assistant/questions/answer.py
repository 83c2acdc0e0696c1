"""Answer new questions by agreement of several samples, and measure how often such an answer is wrong.

What most samples say is believed where the share of them is above a threshold (self-consistency, Wang et al. 2022,
arXiv 2203.11171). Questions of the pool whose gold the assistant has not learnt go the same way, gold out of sight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.answers import majority
from bridge_distill.assistant.contract import Sample
from bridge_distill.assistant.questions.noise import checks, noise
from bridge_distill.assistant.sieve import Sieve, rationale_of
from bridge_distill.assistant.tutor import explanations
from bridge_distill.config import Compute, Levels, Questions, Tutor
from bridge_distill.engine.progress import progress
from bridge_distill.engine.rows import count_rows, iterate_rows, write_rows
from bridge_distill.models.generator import open_generator
from bridge_distill.records import Consensus, Question, Rationale, without_gold

NO_AGREEMENT = "no agreement"
NO_RATIONALE = "no explanation passed the filters"


def panel(settings: Questions, tutor: Tutor) -> Tutor:
    """How new questions are explained: as the tutor does it, but sampled anew, and the best of the majority is kept.

    A guide is left out: strategies that some give come from the pool's own questions.
    """
    changes = {name: getattr(settings, name) for name in ("samples", "temperature", "agreement", "keep_best", "shard")}
    filters = list(dict.fromkeys([*tutor.filters, "correct", "best"]))
    return Tutor.model_validate({**tutor.model_dump(), **changes, "filters": filters, "guide": None})


def answer_questions(
    settings: Questions,
    tutor: Tutor,
    data: Path,
    asked: Path,
    assistant: Path,
    checked: Path,
    teach: Path,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
    levels: Levels = "joint",
) -> dict[str, Any]:
    """Write what ``settle`` does for the questions in ``asked``, and those that join the pool's; returns figures.

    ``checked`` is the assistant that label noise is measured on, which has learnt the rationales of ``teach`` and no
    other; its answers lie in a folder of their own. A killed run loses at most the shard under way.
    """
    chosen = panel(settings, tutor)

    def settled(name: str, label: str, model: Path, pool: Path, into: Path) -> list[dict[str, Any]]:
        generator = open_generator(str(model / artifacts.MODEL), compute, "assistant")
        place = scratch / name
        for made in (place, into):
            made.mkdir(exist_ok=True)
        with progress(label, count_rows(pool)) as tick:
            samples = explanations(generator, iterate_rows(pool, Question), chosen, levels, place, seed, tick)
            return settle(chosen, pool, samples, into, place)

    new, known = asked / artifacts.QUESTIONS, scratch / artifacts.QUESTIONS
    table = settled("new", "answering new questions", assistant, new, folder)
    write_rows(folder / artifacts.QUESTIONS, Question, _joined(new, folder))
    drawn = checks(data, teach, settings.checked, seed)
    write_rows(known, Question, map(without_gold, drawn.questions))
    settled("known", "answering questions whose answer is known", checked, known, folder / artifacts.CHECKED)
    found = iterate_rows(folder / artifacts.CHECKED / artifacts.CONSENSUS, Consensus)
    return {**_figures(folder, chosen.samples), "filters": table, "noise": noise(drawn, found)}


def settle(chosen: Tutor, pool: Path, samples: Iterable[Sample], folder: Path, scratch: Path) -> list[dict[str, Any]]:
    """Write a ``Rationale`` for each sample and a ``Consensus`` for each question of ``pool``; returns the filters.

    One question is in memory at a time; ``samples`` can be gone through more than once. Without agreement none of its
    explanations is looked at.
    """
    path = folder / artifacts.RATIONALES
    with closing(Sieve(chosen, scratch)) as sieve:
        sieve.survey(samples)
        write_rows(path, Rationale, _sifted(iterate_rows(pool, Question), samples, sieve, chosen))
        table = sieve.table()
    told, asked = iterate_rows(path, Rationale), iterate_rows(pool, Question)
    made = (_consensus(question, list(islice(told, chosen.samples)), chosen.agreement) for question in asked)
    write_rows(folder / artifacts.CONSENSUS, Consensus, made)
    return table


def _sifted(
    questions: Iterable[Question], samples: Iterable[Sample], sieve: Sieve, chosen: Tutor
) -> Iterator[Rationale]:
    left = iter(samples)
    for question in questions:
        made = list(islice(left, chosen.samples))
        if max(sample.agreement for sample in made) <= chosen.agreement:
            yield from (rationale_of(sample, NO_AGREEMENT) for sample in made)
        else:
            yield from sieve.judged(question, made)


def _consensus(question: Question, rows: Sequence[Rationale], threshold: float) -> Consensus:
    answer, most = majority([row.answer for row in rows], question)
    kept, share = any(row.kept for row in rows), most / len(rows)
    reason = "kept" if kept else NO_AGREEMENT if share <= threshold else NO_RATIONALE
    return Consensus(question.id, answer, share, kept, reason)


def _joined(new: Path, folder: Path) -> Iterator[Question]:
    found = iterate_rows(folder / artifacts.CONSENSUS, Consensus)
    for question, consensus in zip(iterate_rows(new, Question), found, strict=True):
        if consensus.kept:
            yield question


def _figures(folder: Path, samples: int) -> dict[str, Any]:
    reasons = Counter(row.reason for row in iterate_rows(folder / artifacts.CONSENSUS, Consensus))
    asked, joined = reasons.total(), reasons.pop("kept", 0)
    kept = sum(row.kept for row in iterate_rows(folder / artifacts.RATIONALES, Rationale))
    refused = dict(reasons.most_common())
    return {"asked": asked, "joined": joined, "refused": refused, "written": asked * samples, "kept": kept}
