"""The part of the flow that adds questions to the pool at no cost: tune a writer, let it write, answer by agreement.

Writer and texts depend on the pool alone, so that arms which buy or learn otherwise share them.
"""

from __future__ import annotations

from bridge_distill import artifacts, rounds
from bridge_distill.assistant import questions
from bridge_distill.config import Assistant, Run, Tutor
from bridge_distill.engine.stage import Stage
from bridge_distill.models.bases import base_digest
from bridge_distill.models.generator import open_generator

TUNE, WRITE, ANSWER = "questions/tune", "questions/write", "questions/answer"


def stages(run: Run, learner: Assistant, tutor: Tutor) -> list[Stage]:
    """The stages in order, none where no question is wanted; the last one's rationales are the student's."""
    return [_tuning(run, learner), _writing(run), _answering(run, learner, tutor)] if run.questions.amount else []


def tokens(run: Run, pool: int, prompt: float, reply: float) -> dict[str, tuple[float, float]]:
    """At the most, how many tokens each stage learns from, and how many it reads or writes.

    ``pool`` counts questions, ``prompt`` and ``reply`` are tokens of one on average.
    """
    settings = run.questions
    if not settings.amount:
        return {}
    writer, answers = settings.writer, settings.samples * (settings.amount + min(settings.checked, pool))
    return {
        TUNE: (writer.epochs * min(writer.examples, pool) * prompt, 0),
        WRITE: (0, settings.amount * writer.tries * prompt),
        ANSWER: (0, answers * (prompt + reply)),
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
    settings = run.questions
    return Stage(
        ANSWER,
        {
            "panel": questions.panel(settings, tutor).identity(),
            "agreement": settings.agreement,
            "checked": settings.checked,
            "seed": run.seed,
            **rounds.asked_by(learner),
        },
        ("data", "teach", WRITE, "assistant"),
        lambda at: questions.answer_questions(
            settings,
            tutor,
            at["data"],
            at[WRITE],
            at["assistant"],
            [at["teach"]],
            at.folder,
            at.scratch,
            run.compute,
            run.seed,
            learner.levels,
        ),
    )
