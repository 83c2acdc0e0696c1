"""The whole curation in order: read, gates, what models can do already, the pick, and what is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge_distill.amounts import count_of
from bridge_distill.config import Data
from bridge_distill.curation.choose import METHOD, chosen_of
from bridge_distill.curation.contract import Gate, Trace, gates
from bridge_distill.curation.failure import solved
from bridge_distill.curation.funnel import Funnel, Step
from bridge_distill.curation.output import write_output
from bridge_distill.curation.settings import WORDS, Settings
from bridge_distill.data.duplicates import claim, judged
from bridge_distill.data.rows import Maker
from bridge_distill.data.split import Split, questions_of
from bridge_distill.engine.claims import lock
from bridge_distill.errors import UserError
from bridge_distill.models.bases import check_base
from bridge_distill.selection.measure import embedders
from bridge_distill.selection.ranking import settings_of


def curate(settings: Settings) -> dict[str, Any]:
    """Write the curated set, its removed rows, its funnel and its map beside each other; returns the figures.

    Attempts and vectors of models are kept in a work folder beside the output: run it again to go on
    after a kill, or to try other gates without asking the models again. Raises ``UserError``.
    """
    judges = _check(settings)
    asks_models = bool(settings.models) or settings.embedder != WORDS
    with lock(settings.beside("work")) if asks_models else nullcontext():
        funnel = Funnel()
        read = funnel.step("read")
        traces = _distinct(_judged(settings, judges, funnel, read), funnel)
        failures = np.zeros(len(traces))
        if settings.models and traces:
            traces, failures = _hard(settings, traces, funnel)
        if not traces:
            counts = ", ".join(f"{step.removed.total()} by {step.name}" for step in funnel.steps if step.removed)
            raise UserError(f"--pool {settings.pool}", f"no trace is left ({counts})", "correct it or loosen the gates")
        step = funnel.step("pick", len(traces))
        with step.timed():
            kept = chosen_of(settings, traces, failures, count_of(str(settings.budget), read.seen), read.seen)
        for index, reason in kept.left.items():
            question = traces[index].question
            funnel.remove(step, traces[index].line, question.id, reason, question.text)
        return write_output(settings, kept, funnel)


def _check(settings: Settings) -> dict[str, Gate]:
    """The text gates by name; raises ``UserError`` for what can be seen to be wrong before anything is read."""
    count_of(str(settings.budget), 1)
    settings_of(METHOD, settings.options)
    if settings.embedder != WORDS:
        embedders.get(settings.embedder.partition(":")[0], "--embedder")
        if settings.embeddings is not None:
            raise UserError("--embedder", "has nothing to do where --embeddings are given", "leave one of them out")
    if settings.difficulty_by is not None and settings.signals is None:
        raise UserError("--difficulty-by", "names a signal, and no --signals are given", "give them")
    for model in settings.models:
        check_base(model, "--model")
    return {name: gates.get(name, "--gate") for name in settings.gates}


def _judged(settings: Settings, judges: dict[str, Gate], funnel: Funnel, read: Step) -> list[Trace]:
    """The traces that can be read and pass every text gate."""
    steps = {name: funnel.step(name) for name in judges}
    kept = []
    for trace in _read(settings, funnel, read):
        for name, gate in judges.items():
            step = steps[name]
            step.seen += 1
            with step.timed():
                reason = gate(trace, settings)
            if reason is not None:
                funnel.remove(step, trace.line, trace.question.id, reason, trace.question.text)
                break
        else:
            kept.append(trace)
    return kept


def _read(settings: Settings, funnel: Funnel, step: Step) -> Iterator[Trace]:
    source = str(settings.pool)
    split = Split("pool", source)
    maker = Maker(Data(train=source, test=source, answer=list(settings.answer), columns=dict(settings.columns)))
    rows = questions_of(split, maker)
    while True:
        try:
            with step.timed():
                line, question = next(rows)
        except StopIteration:
            break
        except UserError as error:
            raise UserError(_as_option(error.place), error.problem, error.cure) from None
        yield Trace(line, split.rows - 1, question, question.recorded_rationale or "")
    step.seen = split.rows
    for row in split.rejected:
        funnel.remove(step, row["line"], row["id"], row["reason"], row["excerpt"])


def _as_option(place: str) -> str:
    """The command's name of a setting that a run file calls otherwise."""
    return place.replace("data.pool", "--pool").replace("data.columns.", "--column ").replace("data.answer", "--answer")


def _distinct(traces: list[Trace], funnel: Funnel) -> list[Trace]:
    """One trace a question, in the order of ids: the order of the file decides nothing that follows."""
    step, kept = funnel.step("duplicates", len(traces)), []
    with step.timed():
        for row, reason in judged((claim(row, trace.question) for row, trace in enumerate(traces)), frozenset()):
            trace = traces[row]
            if reason is None:
                kept.append(trace)
            else:
                funnel.remove(step, trace.line, trace.question.id, reason, trace.question.text)
        kept.sort(key=lambda trace: trace.question.id)
    return kept


def _hard(settings: Settings, traces: list[Trace], funnel: Funnel) -> tuple[list[Trace], NDArray[np.float64]]:
    """The traces that ``easy`` of the models do not solve, and how many models failed at each."""
    step, questions = funnel.step("difficulty", len(traces)), [trace.question for trace in traces]
    with step.timed():
        folder = settings.beside("work") / "attempts"
        right = np.array([solved(model, questions, settings.max_new_tokens, folder) for model in settings.models])
    easy = right.any(0) if settings.easy == "any" else right.all(0)
    for trace, names in ((traces[i], right[:, i]) for i in np.flatnonzero(easy)):
        solver = " and ".join(model for model, can in zip(settings.models, names, strict=True) if can)
        funnel.remove(step, trace.line, trace.question.id, f"solved by {solver}", trace.question.text)
    left = np.flatnonzero(~easy)
    return [traces[i] for i in left], (~right).sum(0)[left].astype(np.float64)
