"""Operations of a run's stages, from the sizes of its models and the tokens that they read, learn and write."""

from __future__ import annotations

from collections.abc import Mapping

from bridge_distill import data, new_questions, rounds, selection, student
from bridge_distill.config import Assistant, Run, Shrink
from bridge_distill.efforts import READING_SHARE, TRAINING_SHARE, WRITING_SHARE, Effort
from bridge_distill.guidance import relative_cost
from bridge_distill.models.bases import EMBEDDED

SIGNS_PER_TOKEN = 4
TOKENS_PER_WORD = 1.4


def operations(
    run: Run, learner: Assistant | None, pool: data.Pool, paid: int, arms: int = 0
) -> dict[str, float] | None:
    """Rough floating-point operations of each stage that runs models, by name; None for bases of unknown size.

    ``learner`` is as in ``pipeline.stages``.
    """
    reader, _ = rounds.scorer(run, learner)
    names = {reader, run.student.base, *([run.assistant.base] if run.assistant else [])}
    if not names <= EMBEDDED.keys():
        return None
    # Embeddings are looked up: of a base that reads prompts, what a trimmed one has is what is multiplied.
    reading = EMBEDDED[reader].shape.weights(Shrink(vocabulary="task"))
    base, cut = EMBEDDED[run.student.base].shape.weights(), EMBEDDED[run.student.base].shape.weights(run.student.shrink)
    prompt = pool.mean_length() / SIGNS_PER_TOKEN + 30
    reply = run.teacher.max_words * TOKENS_PER_WORD / 2
    added = run.questions.amount * run.questions.keep_best if run.assistant is not None else 0
    taught = student.expected_tokens(run.student, round(pool.size + added), prompt + reply)
    work = {
        "score": 2 * reading * pool.size * (prompt + selection.written_tokens(run.score)) / READING_SHARE,
        "student": 6 * cut * sum(tokens for _, tokens in taught) / TRAINING_SHARE * (1 + arms),
        "evaluate/base": 2 * base * pool.test * (prompt + reply) / WRITING_SHARE,
        "evaluate/student": 2 * cut * pool.test * (prompt + reply) / WRITING_SHARE * (1 + arms),
    }
    if run.assistant is not None and run.tutor is not None:
        size = EMBEDDED[run.assistant.base].shape.weights(run.assistant.shrink)
        effort = Effort(run.assistant, size, prompt, reply)
        work |= effort.assistant(paid, pool.size)
        work["tutor"] = effort.explained(pool.size, run.tutor.samples)
        work |= new_questions.work(run, pool.size, effort)
        work["student"] += effort.read_along(taught, pool.size + added)
        work["evaluate/assistant"] = effort.explained(pool.test)
        tuned, tested = effort.tuned(paid, run.assistant.epochs), effort.explained(run.select.held_out)
        work |= _in_rounds(run, work["score"], tuned, tested)
    return _under_guides(run, work, prompt, reply)


def _under_guides(run: Run, work: Mapping[str, float], prompt: float, reply: float) -> dict[str, float]:
    """Operations where guides write more or less than a plain reply, and those of the guides that are tested."""
    at = {stage: run.evaluate.guide for stage in work if stage.startswith("evaluate/")}
    at |= {"tutor": run.tutor.guide} if run.tutor is not None else {}
    found = {stage: each * relative_cost(at.get(stage), prompt, reply) for stage, each in work.items()}
    plain = work.get(f"evaluate/{run.evaluate.guided}", 0.0)
    return found | {
        f"guide/{name}": plain * relative_cost(guide, prompt, reply) for name, guide in run.evaluate.guides.items()
    }


def _in_rounds(run: Run, score: float, tuned: float, test: float) -> dict[str, float]:
    """Operations that several rounds add to one: scoring again, tuning on what is there, and a held-out test each."""
    last = run.select.rounds
    added: dict[str, float] = {}
    for number in range(1, last):
        added[f"round-{number + 1}/score"] = score
        added[f"round-{number}/assistant"] = tuned * number / last
        added[f"round-{number}/held-out"] = test
    return added | ({"held-out": test} if last > 1 else {})
