"""Run stages once: skip what is done, resume what is not, stop where the settings have changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bridge_distill import __version__
from bridge_distill.engine.fingerprint import differences, digest_folder, fingerprint
from bridge_distill.engine.progress import say
from bridge_distill.engine.rebuilding import Remade
from bridge_distill.errors import UserError

RECORD = "record.json"
PENDING = ".pending.json"
SPENT = ".spent.json"
SCRATCH = ".scratch"
LOW_DISK = 64_000_000
_LIBRARIES = ("torch", "transformers", "peft", "datasets", "tokenizers", "openai")


@dataclass(frozen=True)
class Bench:
    """Where a stage works: its own ``folder``, a ``scratch`` folder that goes when it is done, its inputs."""

    folder: Path
    inputs: dict[str, Path]

    @property
    def scratch(self) -> Path:
        """For checkpoints and shards of unfinished work; survives a kill, not the end of the stage."""
        return self.folder / SCRATCH

    def __getitem__(self, stage: str) -> Path:
        return self.inputs[stage]


@dataclass(frozen=True)
class Stage:
    """``settings`` (plain JSON) and the named ``inputs`` decide the output; ``work`` makes it, returns figures.

    ``skip`` may say why there is nothing to do: then the stage is done, and its folder holds only its record.
    """

    name: str
    settings: dict[str, Any]
    inputs: tuple[str, ...]
    work: Callable[[Bench], dict[str, Any]]
    skip: Callable[[Bench], str | None] = lambda bench: None


class Runner:
    """Runs the stages of one run folder; ``rebuild`` names stages to make anew. Call ``end`` when all are done."""

    def __init__(self, run: Path, rebuild: Iterable[str], seed: int) -> None:
        self.run, self.rebuild, self.seed = run, set(rebuild), seed
        self._remade = Remade(run)

    def do(self, stage: Stage, below: Path, made: dict[str, Path], shared: dict[str, Path]) -> Path:
        """Make sure that the stage's output exists, and return its folder.

        ``made`` holds the folders of earlier stages. The output lies in ``below / stage.name``, unless
        ``shared`` holds a folder of that stage with the same fingerprint. Raises ``UserError`` where a
        finished output was made with other settings.
        """
        inputs = {name: read_record(made[name])["digest"] for name in stage.inputs}
        print_ = fingerprint(stage.name, stage.settings, inputs)
        twin = shared.get(stage.name)
        if twin is not None and read_record(twin)["fingerprint"] == print_:
            return twin
        folder = below / stage.name
        if (folder / RECORD).exists():
            record = read_record(folder)
            if record["fingerprint"] == print_ and not self._named(stage):
                say(f"{self._label(folder)}: done before")
                return folder
            if not self._named(stage) and not any(made[name] in self._remade for name in stage.inputs):
                self._refuse(stage, folder, record, inputs)
            self._remade.add(folder)
            (folder / RECORD).unlink()  # first: what is deleted in part must not look done
            shutil.rmtree(folder)
        self._make(stage, folder, made, inputs, print_)
        return folder

    def end(self) -> None:
        """Say that the command has ended well: a later one must ask anew for what it wants to be made anew."""
        self._remade.clear()

    def _named(self, stage: Stage) -> bool:
        """Whether the user asked for this stage, or its family (``evaluate``), to be made anew."""
        return stage.name in self.rebuild or stage.name.split("/")[0] in self.rebuild

    def _refuse(self, stage: Stage, folder: Path, record: dict[str, Any], inputs: dict[str, str]) -> None:
        changed = differences(record["settings"], stage.settings)
        changed += [
            f"the output of {name} has changed" for name in inputs if record["inputs"].get(name) != inputs[name]
        ]
        raise UserError(
            self._label(folder),
            f"was made with other settings ({'; '.join(changed[:4]) or 'another version of the record'})",
            f"add --rebuild {stage.name} to make it and what follows anew, or give the run another name",
        )

    def _make(self, stage: Stage, folder: Path, made: dict[str, Path], inputs: dict[str, str], print_: str) -> None:
        before = self._prepare(folder, print_)
        say(f"{self._label(folder)}: working")
        started = time.monotonic()
        with peak_memory() as peak, _naming_a_full_disk(folder):
            bench = Bench(folder, {name: made[name] for name in stage.inputs})
            reason = stage.skip(bench)
            figures = stage.work(bench) if reason is None else {}
        outputs = digest_folder(folder)
        record = {
            "stage": stage.name,
            "fingerprint": print_,
            "digest": fingerprint("output", {}, outputs),
            "settings": stage.settings,
            "inputs": inputs,
            "outputs": outputs,
            "seed": self.seed,
            "seconds": round(before + time.monotonic() - started, 2),
            "peak_memory_bytes": peak(),
            "versions": {"bridge-distill": __version__, "python": sys.version.split()[0], **_versions()},
            "commit": _commit(),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "figures": figures,
            **({} if reason is None else {"skipped": reason}),
        }
        write_json(folder / RECORD, record)
        shutil.rmtree(folder / SCRATCH)
        for path in (folder / PENDING, folder / SPENT):
            path.unlink()
        say(
            f"{self._label(folder)}: "
            + (f"done in {record['seconds']:.0f} s" if reason is None else f"skipped, {reason}")
        )

    def _prepare(self, folder: Path, print_: str) -> float:
        """Keep the unfinished work of the same settings; clear that of others (nothing paid lies here).

        Returns the seconds that earlier processes were at what is kept.
        """
        pending = folder / PENDING
        if folder.exists() and (not pending.exists() or json.loads(pending.read_text()) != print_):
            shutil.rmtree(folder)
        before = _spent(folder)
        (folder / SCRATCH).mkdir(parents=True, exist_ok=True)
        write_json(folder / SPENT, before)
        write_json(pending, print_)
        return before

    def _label(self, folder: Path) -> str:
        return folder.relative_to(self.run.parent).as_posix()


def _spent(folder: Path) -> float:
    """Seconds that earlier processes were at an unfinished stage, each up to the last file that it wrote."""
    noted = folder / SPENT
    if not noted.exists():
        return 0.0
    last = max(path.stat().st_mtime for path in folder.rglob("*"))
    return float(json.loads(noted.read_text())) + last - noted.stat().st_mtime


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a finished stage; raises ``UserError`` where it is damaged."""
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return record
    except (OSError, ValueError) as error:
        raise UserError(str(path), f"cannot be read ({error})", f"delete {folder} to make it anew") from error


def skipped(folder: Path) -> str | None:
    """Why a finished stage was skipped; None where it was not."""
    reason: str | None = read_record(folder).get("skipped")
    return reason


def partial_of(path: Path) -> Path:
    """What this process writes a file as until it is whole: others may be writing the same one. No digest counts it."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically and durably: after a crash the file is whole or absent."""
    partial = partial_of(path)
    with partial.open("w") as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


@contextmanager
def _naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Each library fails in its own words, or none, when the disk is full; say it in ours."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        free = shutil.disk_usage(folder).free
        if free >= LOW_DISK:
            raise
        cure = "free some space and run the same command again, nothing paid is lost"
        raise UserError(str(folder), f"the disk has only {free / 1e6:.0f} MB left", cure) from error


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Yield a function that returns the peak resident bytes since here (Linux), or the current ones."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        yield lambda: int(psutil.Process().memory_info().rss)
        return

    def peak() -> int:
        line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    yield peak


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def _commit() -> str | None:
    """The commit of this program where it runs from a checkout and git is at hand."""
    if shutil.which("git") is None:
        return None
    here = Path(__file__).parent
    answer = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
