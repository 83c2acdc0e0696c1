"""Cut the student from its base and teach it the curriculum's phases in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts
from bridge_distill.config import Compute, Student
from bridge_distill.engine.stage import write_json
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model, load, load_tokenizer, text_ids
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut, weigh
from bridge_distill.models.train import Example
from bridge_distill.records import Question, Rationale
from bridge_distill.student.contract import RATIONALES, Materials, Phase
from bridge_distill.student.course import Course
from bridge_distill.student.curriculum import phases_of
from bridge_distill.student.instructions import read_instructions


def teach_student(
    settings: Student,
    data: Path,
    taught_by: Sequence[Path],
    assistant: Path | None,
    folder: Path,
    scratch: Path,
    compute: Compute,
    seed: int,
) -> dict[str, Any]:
    """Write the student as plain safetensors; returns figures.

    ``taught_by`` are the folders whose kept rationales it learns from (the teacher's, the tutor's, those of new
    questions, which they hold), none where no phase needs any; ``assistant`` that of the assistant's stage, where a
    phase needs it. Each finished phase is saved, so that a killed run resumes in the phase it was in.
    """
    phases = phases_of(settings)
    questions, rationales = _read(phases, data, taught_by)
    instructions, refused = read_instructions(Path(settings.instructions)) if settings.instructions else ([], [])
    tokenizer = load_tokenizer(settings.base, "student.base")
    materials = Materials(questions, rationales, instructions, lambda text: len(text_ids(tokenizer, text)), seed)
    examples = [phase.examples(materials) for phase in phases]
    figures = _so_far(scratch, len(phases))
    model = _start(settings, materials, examples, scratch, len(figures), compute, seed)
    course = Course(settings, phases, model, assistant, scratch, compute, seed)
    for index in range(len(figures), len(phases)):
        lesson = course.lesson(index, examples, [each["tokens"] for each in figures])
        taught = phases[index].teach(model, lesson)
        figures.append({"name": settings.curriculum[index].phase, **taught.figures()})
        _keep_phase(model, scratch / f"phase-{index}", figures)
    model.save(folder / artifacts.MODEL)
    base = load(settings.base, compute, "student.base", trained=True)
    return {
        "parameters": model.parameters,
        "megabytes": artifacts.megabytes(folder / artifacts.MODEL),
        "shrunk": {"base": weigh(base), "student": weigh(model)},
        **{name: sum(each[name] for each in figures) for name in ("examples", "too_long", "steps", "tokens")},
        "phases": figures,
        "instructions_refused": refused,
    }


def _read(
    phases: Sequence[Phase[Any]], data: Path, taught_by: Sequence[Path]
) -> tuple[list[Question], list[Rationale]]:
    """The pool with new questions, and every kept rationale; raises ``UserError`` where one is needed and none is."""
    rationales = [row for folder in taught_by for row in artifacts.rationales(folder) if row.kept]
    if not rationales and any(RATIONALES in phase.needs for phase in phases):
        raise UserError("student", "there is no kept rationale to learn from", "see in the report why each was dropped")
    added = [question for folder in taught_by for question in artifacts.new_questions(folder)]
    return [*artifacts.train_questions(data), *added], rationales


def _so_far(scratch: Path, phases: int) -> list[dict[str, Any]]:
    """The figures of every phase that a run before has finished."""
    done = [path for index in range(phases) if (path := scratch / f"phase-{index}" / "figures.json").exists()]
    found: list[dict[str, Any]] = json.loads(done[-1].read_text()) if done else []
    return found


def _start(
    settings: Student,
    materials: Materials,
    examples: Sequence[Sequence[Example]],
    scratch: Path,
    done: int,
    compute: Compute,
    seed: int,
) -> Model:
    """The model after the last of ``done`` phases, or freshly cut."""
    set_seed(seed)
    if done:
        return load(str(scratch / f"phase-{done - 1}" / artifacts.MODEL), compute, "student", trained=True)
    model = load(settings.base, compute, "student.base", trained=True)
    return cut(model, settings.shrink, _texts(materials, examples), "student.shrink")


def _texts(materials: Materials, examples: Sequence[Sequence[Example]]) -> list[str]:
    """Whatever of the task the student will read or write, each text once."""
    # Rows of an instruction file have so many words that their tokens would outweigh the student.
    general = frozenset(materials.instructions)
    learnt = [example for made in examples for example in made if example not in general]
    texts = [prompts.local(question) for question in materials.questions]
    texts += [text for example in learnt for text in (example.prompt, example.completion) if text is not None]
    return list(dict.fromkeys(texts))


def _keep_phase(model: Model, folder: Path, figures: list[dict[str, Any]]) -> None:
    model.save(folder / artifacts.MODEL)
    write_json(folder / "figures.json", figures)
