"""The commands ``study`` and ``compare``."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bridge_distill.cli_options import AsJson


class _RunByDefault(TyperGroup):
    """``study FILE`` is ``study run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, "--help"}
        return super().parse_args(ctx, args if not args or args[0] in known else ["run", *args])


study_app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    help="Compare arms over budgets, seeds and data sets: study FILE, study plan FILE, study status FILE.",
)

StudyFilePath = Annotated[Path, typer.Argument(metavar="FILE", help="Study file (YAML).")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="K=V", help="Override a setting of the base run, e.g. student.batch=8."),
]


@study_app.command("run")
def run(
    file: StudyFilePath,
    set_: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run every cell that is not finished yet. Safe to kill and start again; exits with 1 where a cell failed."""
    from bridge_distill.report.study import in_words, summarise_study, write_study_report
    from bridge_distill.study.plan import in_words as plan_in_words
    from bridge_distill.study.plan import plan_study
    from bridge_distill.study.work import open_study, run_study

    study = open_study(file, set_ or [], shlex.join(["bridge-distill", *sys.argv[1:]]))
    typer.echo(plan_in_words(plan_study(study)), err=True)
    failed = run_study(study, file, set_ or [], workers)
    page = write_study_report(study.folder)
    told = [f"{cell}: failed, {error}" for cell, error in failed.items()]
    _tell(summarise_study(study.folder), lambda found: "\n".join([in_words(found), f"report: {page}", *told]), as_json)
    if failed:
        raise typer.Exit(1)


@study_app.command("plan")
def plan(file: StudyFilePath, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Say what a study would take: cells, stages that they share, hours and money. Computes and pays nothing."""
    from bridge_distill.study.cells import check, read_study
    from bridge_distill.study.plan import in_words, plan_study

    opened = read_study(file, set_ or [])
    check(opened)
    _tell(plan_study(opened), in_words, as_json)


@study_app.command("status")
def status(file: StudyFilePath, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Say which cells are done, which failed and why, and what was paid."""
    from bridge_distill.study.cells import read_study
    from bridge_distill.study.status import in_words, status_of

    _tell(status_of(read_study(file, set_ or [])), in_words, as_json)


def compare_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or two run folders, such as runs/legal.")],
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Whom of each: an arm, or student (the default), assistant or base."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two tested models on the same questions: paired difference with its interval, exact McNemar test."""
    from bridge_distill.study.compare import compare, in_words

    _tell(compare(runs, arm or []), in_words, as_json)


def _tell(found: dict[str, Any], in_words: Any, as_json: bool) -> None:
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else in_words(found))
