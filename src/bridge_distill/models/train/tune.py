"""One training from examples to a tuned network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge_distill.engine.progress import progress, unseen
from bridge_distill.engine.together import check_batch, processes, share
from bridge_distill.engine.tracking import told
from bridge_distill.models.load import Model
from bridge_distill.models.train.checkpoints import last_complete
from bridge_distill.models.train.examples import Example, Row, encode
from bridge_distill.models.train.objective import Likelihood, Objective
from bridge_distill.models.train.order import as_given, in_order
from bridge_distill.models.train.stopping import Losses, Validated, losses_of, stopped_at, validated
from bridge_distill.models.train.trainer import Job, Training, run


@dataclass(frozen=True)
class Validation:
    """Examples that are not learnt: their loss is taken ten times in a whole training.

    It ends early once that has not fallen below its lowest for ``patience`` times; the weights of the lowest stay.
    """

    examples: Sequence[Example]
    patience: int


@dataclass(frozen=True)
class Trained:
    """What a training did; ``tokens`` are real ones, padding left out; ``losses`` are (step, weighted mean nats)."""

    examples: int
    too_long: int
    steps: int
    tokens: int
    trained_parameters: int
    losses: Losses
    validation: Validated | None = None

    def figures(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {name: value for name, value in _plain(asdict(self)).items() if value is not None}


def fine_tune(
    model: Model,
    examples: Sequence[Example],
    training: Training,
    checkpoints: Path,
    label: str,
    validation: Validation | None = None,
    order: Sequence[int] | None = None,
    objective: Objective | None = None,
    rows: list[Row] | None = None,
) -> Trained:
    """Tune ``model.network`` in place on completions only; resumes from ``checkpoints``.

    Examples over ``max_tokens`` are left out and counted, never cut: a cut completion would teach a
    model not to stop. ``order`` names examples in the order in which they reach the optimizer, gone through again
    where it is too short; without it they are drawn by the seed. Either way every step's batch is fixed before
    training starts, so a resumed training ends with the same weights. ``objective`` is the loss, else the
    likelihood. ``rows`` are the examples' own where they have been encoded before: a large pool takes minutes. Raises
    ``ValueError`` if no example is short enough, ``TypeError`` for weights that are not float32.
    """
    _check_precision(model)
    rows = encode(model, examples, training.max_tokens) if rows is None else rows
    job = _job(model, rows, training, checkpoints, validation, order, objective)
    trainable = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    check_batch(training.batch, "batch")
    share(partial(run, job, processes(), unseen))
    with progress(label, training.steps) as tick, told(label, checkpoints) as trackers:
        model.network, state = run(job, processes(), tick, trackers)
    return Trained(
        len(rows),
        len(examples) - len(rows),
        state.global_step,
        sum(len(rows[i].ids) for i in job.order[: state.global_step * training.batch]),
        trainable,
        losses_of(state.log_history, "loss"),
        None if validation is None else validated(len(job.held_out), state.log_history),
    )


def _check_precision(model: Model) -> None:
    """What is trained must have been loaded for it: in bfloat16 most steps would be lost, and no figure say so."""
    import torch

    if any(p.requires_grad and p.dtype != torch.float32 for p in model.network.parameters()):
        raise TypeError("weights that are trained must be float32: load the model with trained=True")


def _job(
    model: Model,
    rows: list[Row],
    training: Training,
    checkpoints: Path,
    validation: Validation | None,
    order: Sequence[int] | None,
    objective: Objective | None,
) -> Job:
    steps, batch, last = training.steps, training.batch, last_complete(checkpoints)
    if order is None:
        places = in_order([len(row.ids) for row in rows], steps, batch, training.seed)
    else:
        places = as_given(order, [row.number for row in rows], steps, batch)
    ended = None if validation is None else stopped_at(last, validation.patience)
    return Job(
        network=model.network,
        rows=rows,
        order=places[: (ended or steps) * batch],
        held_out=[] if validation is None else encode(model, validation.examples, training.max_tokens),
        patience=0 if validation is None else validation.patience,
        objective=objective or Likelihood(),
        padding=model.tokenizer.pad_token_id,
        training=training,
        checkpoints=checkpoints,
        last=last,
        ended=ended,
    )


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
