"""The part of the flow that adds questions to the pool at no cost: tune a writer, let it write, answer by agreement.

Writer and texts depend on the pool alone, so that arms which buy or learn otherwise share them.
"""

from __future__ import annotations

from bridge_distill import artifacts, improving, rounds
from bridge_distill.assistant import questions
from bridge_distill.config import Assistant, Run, Tutor
from bridge_distill.efforts import TRAINING_SHARE, WRITING_SHARE, Effort
from bridge_distill.engine.stage import Stage
from bridge_distill.models.bases import base_digest
from bridge_distill.models.generator import open_generator

TUNE, WRITE, ANSWER = "questions/tune", "questions/write", "questions/answer"


def stages(run: Run, learner: Assistant, tutor: Tutor) -> list[Stage]:
    """The stages in order, none where no question is wanted; the last one's rationales are the student's."""
    return [_tuning(run, learner), _writing(run), _answering(run, learner, tutor)] if run.questions.amount else []


def work(run: Run, pool: int, effort: Effort) -> dict[str, float]:
    """Operations of each stage, at the most; ``pool`` counts questions, whose prompts are longer than their texts."""
    settings, writer = run.questions, run.questions.writer
    if not settings.amount:
        return {}
    return {
        TUNE: 6 * effort.size * writer.epochs * min(writer.examples, pool) * effort.prompt / TRAINING_SHARE,
        WRITE: 2 * effort.size * settings.amount * writer.tries * effort.prompt / WRITING_SHARE,
        ANSWER: effort.explained(settings.amount + min(settings.checked, pool), settings.samples),
    }


def _tuning(run: Run, learner: Assistant) -> Stage:
    writer = run.questions.writer
    return Stage(
        TUNE,
        {
            "writer": questions.writer_identity(writer, learner),
            "base": base_digest(learner.base, "assistant.base"),
            "seed": run.seed,
        },
        ("data",),
        lambda at: questions.tune_writer(writer, learner, at["data"], at.folder, at.scratch, run.compute, run.seed),
    )


def _writing(run: Run) -> Stage:
    settings = run.questions
    own = ("temperature", "max_new_tokens", "tries", "max_alike")
    return Stage(
        WRITE,
        {
            "amount": settings.amount,
            "writer": {name: getattr(settings.writer, name) for name in own},
            "seed": run.seed,
        },
        ("data", TUNE),
        lambda at: questions.write_questions(
            settings,
            at["data"],
            open_generator(str(at[TUNE] / artifacts.MODEL), run.compute, "questions.writer"),
            at.folder,
            at.scratch,
            run.seed,
        ),
    )


def _answering(run: Run, learner: Assistant, tutor: Tutor) -> Stage:
    """Noise is that of the assistant before it improved itself: what it has not learnt afterwards is what it missed."""
    settings, checked = run.questions, improving.tuned_names(learner)[0]
    return Stage(
        ANSWER,
        {
            "panel": questions.panel(settings, tutor).identity(),
            "checked": settings.checked,
            "seed": run.seed,
            **rounds.asked_by(learner),
        },
        tuple(dict.fromkeys(("data", "teach", WRITE, "assistant", checked))),
        lambda at: questions.answer_questions(
            settings,
            tutor,
            at["data"],
            at[WRITE],
            at["assistant"],
            at[checked],
            at["teach"],
            at.folder,
            at.scratch,
            run.compute,
            run.seed,
            learner.levels,
        ),
    )
