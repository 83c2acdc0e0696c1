"""The run file's curriculum as phases: read, checked, and what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge_distill.config import CurriculumPhase, Student
from bridge_distill.engine.together import sharded
from bridge_distill.errors import UserError, nearest
from bridge_distill.student.contract import ASSISTANT, Phase, curriculum_phases, orders
from bridge_distill.student.instructions import digest, read_instructions
from bridge_distill.student.schedule import shares, steps_of
from bridge_distill.validation import read_section


def phases_of(settings: Student) -> list[Phase[Any]]:
    """The curriculum's phases with their options read; raises ``UserError`` for an unknown name, key or bad value."""
    return [_read(item, f"student.curriculum.{index}") for index, item in enumerate(settings.curriculum)]


def needs(settings: Student) -> frozenset[str]:
    """Which of ``RATIONALES`` and ``ASSISTANT`` some phase learns from."""
    none: frozenset[str] = frozenset()
    return none.union(*(phase.needs for phase in phases_of(settings)))


def check(settings: Student, with_assistant: bool) -> None:
    """Raise ``UserError`` for a curriculum that cannot be taught, whatever the data are, or a bad instruction file."""
    phases = phases_of(settings)
    for item, phase in zip(settings.curriculum, phases, strict=True):
        if ASSISTANT in phase.needs and not with_assistant:
            cure = "set assistant and tutor, or leave the phase out"
            raise UserError(phase.place, f"the phase {item.phase} learns from an assistant, and there is none", cure)
        if phase.writes and sharded():
            problem = f"in the phase {item.phase} the student writes, which its parts under FSDP cannot"
            raise UserError(phase.place, problem, "start the processes without FSDP, or leave the phase out")
    shares(settings, phases)
    if settings.instructions is not None:
        read_instructions(Path(settings.instructions))


def identity(settings: Student) -> dict[str, Any]:
    """What decides a student: each phase with the options that were left out, and what the instruction file holds.

    Raises ``UserError`` where that cannot be read.
    """
    read = zip(settings.curriculum, phases_of(settings), strict=True)
    items = [{**item.identity(), "options": phase.settings.identity()} for item, phase in read]
    held = None if settings.instructions is None else digest(Path(settings.instructions))
    return settings.identity() | {"curriculum": items, "instructions": held}


def expected_tokens(settings: Student, examples: int, mean_tokens: float) -> list[tuple[str, int]]:
    """Each phase's name and the real tokens it is expected to read, if each has ``examples`` of ``mean_tokens``."""
    phases, spent = phases_of(settings), list[int]()
    for index in range(len(phases)):
        steps = steps_of(settings, phases, [examples] * len(phases), index, mean_tokens, spent)
        spent.append(round(steps * settings.batch * mean_tokens))
    return [(item.phase, tokens) for item, tokens in zip(settings.curriculum, spent, strict=True)]


def _read(item: CurriculumPhase, place: str) -> Phase[Any]:
    kind = curriculum_phases.get(item.phase, place)
    orders.get(item.order, f"{place}.order")
    known = [*(CurriculumPhase.model_fields.keys() - {"options"}), *kind.options.model_fields]
    for option in item.options:
        if option not in kind.options.model_fields:
            raise UserError(f"{place}.{option}", f"is no option of the phase {item.phase}", nearest(option, known))
    return kind(read_section(kind.options, item.options, place), place)
