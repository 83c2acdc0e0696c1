"""Cut the student from its base and teach it the curriculum's phases in order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bridge_distill import artifacts, prompts
from bridge_distill.config import Compute, Student
from bridge_distill.errors import UserError
from bridge_distill.models.load import Model, load
from bridge_distill.models.runtime import set_seed
from bridge_distill.models.shrink import cut
from bridge_distill.models.train import Example, Training, fine_tune
from bridge_distill.student.contract import Materials, curriculum_phases
from bridge_distill.student.instructions import read_instructions

_DEFAULT_EPOCHS = 3.0


def teach_student(
    settings: Student, data: Path, taught_by: list[Path], folder: Path, scratch: Path, compute: Compute, seed: int
) -> dict[str, Any]:
    """Write the student as plain safetensors; returns figures.

    ``taught_by`` are the folders whose kept rationales it learns from (the teacher's, the tutor's, those of new
    questions, which they hold).
    Each finished phase is saved, so that a killed run resumes in the phase it was in.
    """
    materials, refused = _materials(settings, data, taught_by)
    plan = _plan(settings, materials)
    done = [i for i in range(len(plan)) if (scratch / f"phase-{i}" / "figures.json").exists()]
    model, figures = _start(settings, materials, scratch, done, compute, seed)
    for index in range(len(done), len(plan)):
        name, examples, steps = plan[index]
        training = Training(
            steps, settings.batch, settings.learning_rate, settings.max_tokens, settings.save_steps, seed + index
        )
        try:
            trained = fine_tune(
                model, examples, training, scratch / f"checkpoints-{index}", f"teaching the student: {name}"
            )
        except ValueError as error:
            raise UserError("student.max_tokens", str(error), "raise it") from error
        figures.append({"name": name, **trained.figures()})
        _keep_phase(model, scratch / f"phase-{index}", figures)
    model.save(folder / artifacts.MODEL)
    return {
        "parameters": model.parameters,
        "megabytes": artifacts.megabytes(folder / artifacts.MODEL),
        "examples": sum(phase["examples"] for phase in figures),
        "too_long": sum(phase["too_long"] for phase in figures),
        "steps": sum(phase["steps"] for phase in figures),
        "tokens": sum(phase["tokens"] for phase in figures),
        "phases": figures,
        "instructions_refused": refused,
    }


def _materials(settings: Student, data: Path, taught_by: list[Path]) -> tuple[Materials, list[str]]:
    rationales = [row for folder in taught_by for row in artifacts.rationales(folder) if row.kept]
    if not rationales:
        raise UserError("student", "there is no kept rationale to learn from", "see in the report why each was dropped")
    instructions, refused = read_instructions(Path(settings.instructions)) if settings.instructions else ([], [])
    added = [question for folder in taught_by for question in artifacts.new_questions(folder)]
    return Materials([*artifacts.train_questions(data), *added], rationales, instructions), refused


def _plan(settings: Student, materials: Materials) -> list[tuple[str, list[Example], int]]:
    """Each phase's name, examples and optimizer steps; warm-up phases share ``warm_up`` of all steps."""
    members = [curriculum_phases.get(name, "student.curriculum") for name in settings.curriculum]
    total = settings.steps or math.ceil(
        (settings.epochs or _DEFAULT_EPOCHS) * len(materials.rationales) / settings.batch
    )
    warming = sum(member.warm_up for member in members)
    warm_up = settings.warm_up if 0 < warming < len(members) else float(warming > 0)
    shares = [warm_up / warming if member.warm_up else (1 - warm_up) / (len(members) - warming) for member in members]
    return [
        (name, member.examples(materials), max(1, round(share * total)))
        for name, member, share in zip(settings.curriculum, members, shares, strict=True)
    ]


def _start(
    settings: Student, materials: Materials, scratch: Path, done: list[int], compute: Compute, seed: int
) -> tuple[Model, list[dict[str, Any]]]:
    """The model after the last finished phase with all figures so far, or freshly cut."""
    set_seed(seed)
    if done:
        folder = scratch / f"phase-{done[-1]}"
        return load(str(folder / artifacts.MODEL), compute, "student"), json.loads(
            (folder / "figures.json").read_text()
        )
    model = load(settings.base, compute, "student.base")
    texts = [prompts.local(question) for question in materials.questions] + [row.text for row in materials.rationales]
    return cut(model, settings.shrink, texts, "student.shrink"), []


def _keep_phase(model: Model, folder: Path, figures: list[dict[str, Any]]) -> None:
    model.save(folder / artifacts.MODEL)
    partial = folder / "figures.json.partial"
    partial.write_text(json.dumps(figures))
    partial.replace(folder / "figures.json")
