"""Tune the assistant on the expert's rationales."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts, templates
from bridge_distill.abstraction import KindsFn
from bridge_distill.assistant.lessons import lessons, planned
from bridge_distill.assistant.levels import Phase, check_flat
from bridge_distill.assistant.strategies import with_strategies
from bridge_distill.config import Assistant, Compute
from bridge_distill.engine.rows import iterate_rows
from bridge_distill.errors import UserError
from bridge_distill.models.adapters import Adapting, make_adapter, merged, settings_of
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Trained, Training, Validation, fine_tune
from bridge_distill.records import Question, Rationale

ADAPTER = "assistant.adapter"


def check(settings: Assistant, trace: str) -> None:
    """Raise ``UserError`` for an adapter or an option of one that is unknown, or a bad value.

    ``trace`` is what the teacher is asked for: levels that it does not give cannot be learnt.
    """
    settings_of(settings.adapter, ADAPTER)
    if trace == templates.FLAT and settings.strategies == "teacher":
        check_flat(settings)


def identity(settings: Assistant) -> dict[str, Any]:
    """What decides a tuned assistant, with every option of the adapter that was left out at its default."""
    adapter = {"kind": settings.adapter.kind, "options": settings_of(settings.adapter, ADAPTER).identity()}
    idle = set() if settings.validation else {"patience"}
    return {name: value for name, value in settings.identity().items() if name not in idle} | {"adapter": adapter}


def apprentice(
    settings: Assistant,
    data: Path,
    teach: Path,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
    kinds: KindsFn,
    own: Path | None = None,
    hinted: bool = False,
) -> dict[str, Any]:
    """Write the tuned assistant, adapters merged, as plain safetensors; returns figures.

    ``kinds`` sorts the questions of flat rationales, where those are to get a strategy. ``own`` is the folder of
    an assistant's explanations that are learnt beside the paid ones, ``hinted`` says that it will be given hints.
    Raises ``UserError`` where no kept reply is short enough to learn from.
    """
    adapt = make_adapter(settings.adapter, ADAPTER, scratch)
    questions = {question.id: question for question in artifacts.train_questions(data)}
    paid = _paid(settings, questions, teach, kinds, seed)
    own_rows = None if own is None else iterate_rows(own / artifacts.RATIONALES, Rationale)
    joined = None if own_rows is None else [row for row in own_rows if row.kept]
    learnt = lessons(settings, paid, joined, hinted, seed)
    plan = planned(settings, questions, learnt)
    set_seed(seed)
    model = load(settings.base, compute, "assistant.base", trained=True)
    cut(model, settings.shrink, _texts(questions.values(), plan, hinted), "assistant.shrink")
    epochs = settings.epochs if own is None else settings.improve.epochs
    trained = _tune(model, adapt, plan, settings, epochs, scratch, seed)
    model.save(folder / artifacts.MODEL)
    notes = dict(sorted(Counter(row.note for row in paid if row.note).items()))
    figures = _figures(trained)
    weights = {
        "parameters": model.parameters,
        "trained_share": figures["trained_parameters"] / model.parameters,
        "megabytes": artifacts.megabytes(folder / artifacts.MODEL),
    }
    return {**weights, **figures, **learnt.figures(), **({"traces": notes} if notes else {})}


def _paid(
    settings: Assistant, questions: Mapping[str, Question], teach: Path, kinds: KindsFn, seed: int
) -> list[Rationale]:
    """The kept paid rationales, flat ones with a strategy where they are to get one; raises ``UserError`` of none."""
    paid = [row for row in artifacts.rationales(teach) if row.kept]
    if not paid:
        cure = "see what was dropped in the report, raise budget"
        raise UserError("assistant", "the teacher left no rationale to learn from", cure)
    return with_strategies(questions, paid, kinds, seed) if settings.strategies == "clusters" else paid


def _texts(questions: Iterable[Question], plan: Sequence[Phase], hinted: bool) -> Iterator[str]:
    """Whatever the assistant will read or write, as far as that is known."""
    for question in questions:
        yield prompts.local(question)
        if hinted and question.answer is not None:
            yield prompts.local(prompts.hinted(question, question.answer))
    for phase in plan:
        for example in (*phase.examples, *phase.held_out):
            yield from filter(None, (example.prompt, example.completion))


def _tune(
    model: Model,
    adapt: Adapting[Any],
    plan: Sequence[Phase],
    settings: Assistant,
    epochs: float,
    scratch: Path,
    seed: int,
) -> list[tuple[str, Trained]]:
    """Learn the phases in order; a phase that ended before a kill is read back from its last checkpoint.

    Without epochs nothing is touched.
    """
    if not epochs:
        return []
    model.network = adapt(model, [one for phase in plan for one in phase.examples])
    done = []
    for index, phase in enumerate(plan):
        steps = max(1, math.ceil(epochs * len(phase.examples) / settings.batch))
        training = Training(
            steps, settings.batch, settings.learning_rate, settings.max_tokens, settings.save_steps, seed + index
        )
        checkpoints = scratch / f"checkpoints{f'-{index}' * (index > 0)}"
        validation = Validation(phase.held_out, settings.patience) if phase.held_out else None
        try:
            trained = fine_tune(model, phase.examples, training, checkpoints, "tuning the assistant", validation)
        except ValueError as error:
            raise UserError("assistant.max_tokens", str(error), "raise it") from error
        done.append((phase.name, trained))
    model.network = merged(model.network)
    return done


def _figures(done: Sequence[tuple[str, Trained]]) -> dict[str, Any]:
    """Those of the only phase, or the sums over several, or none, beside each one's own."""
    if len(done) == 1:
        return done[0][1].figures()
    found = [{"name": name, **trained.figures()} for name, trained in done]
    names = ("examples", "too_long", "steps", "tokens")
    sums = {name: sum(asdict(trained)[name] for _, trained in done) for name in names}
    return {**sums, "trained_parameters": done[-1][1].trained_parameters if done else 0, "phases": found}
