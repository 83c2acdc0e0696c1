"""Read a run file: YAML, ``${ENV}`` values, ``--set`` overrides, relative paths, errors in one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge_distill.config import Run
from bridge_distill.errors import UserError
from bridge_distill.validation import read_section

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class RunFile:
    """A run, and the arms to compare it with: each the whole run with that arm's overrides."""

    run: Run
    arms: dict[str, Run]


def read_run(path: Path, overrides: Sequence[str] = ()) -> RunFile:
    """Read and validate a run file. ``overrides`` are ``dotted.key=value`` with YAML values, or YAML files of settings.

    Raises ``UserError`` naming the dotted path, the value and the cure.
    """
    tree = read_tree(path, overrides)
    run = _build(tree, path.parent)
    return RunFile(run, {name: vary(tree, tree["arms"][name], f"arms.{name}", path.parent) for name in run.arms})


def read_tree(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings of a run file as they are written, overridden as for ``read_run`` (``UserError``)."""
    return overridden(read_yaml(path), overrides)


def overridden(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Settings with overrides, as for ``read_run``, over them (``UserError``)."""
    for override in overrides:
        if override.endswith((".yaml", ".yml")) and "=" not in override:
            tree = _merged(tree, read_yaml(Path(override)))
        else:
            _apply_text(tree, override)
    return tree


def vary(tree: Mapping[str, Any], changes: Mapping[str, Any], place: str, folder: Path) -> Run:
    """The run of a tree, without arms, under changes by dotted key; ``folder`` is what its paths are relative to.

    Raises ``UserError`` that names ``place`` before the dotted path.
    """
    changed = {**deepcopy(dict(tree)), "arms": {}}
    for key, value in changes.items():
        _apply(changed, key, value, f"{place}.{key}")
    try:
        return _build(changed, folder)
    except UserError as error:
        raise UserError(f"{place}: {error.place}", error.problem, error.cure) from None


def _build(tree: dict[str, Any], folder: Path) -> Run:
    return _resolve_paths(read_section(Run, _expand(tree, "")), folder)


def read_yaml(path: Path) -> dict[str, Any]:
    """The settings that a file holds; raises ``UserError`` where it holds none."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "give the path of a run file") from None
    except UnicodeDecodeError:
        raise UserError(str(path), "is not YAML (not UTF-8 text)", "save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or getattr(error, "reason", "not a text")
        raise UserError(where, f"is not YAML ({problem})", "mend that line") from None
    except ValueError as error:  # such as a date that is none
        raise UserError(str(path), f"holds a value that cannot be read ({error})", "correct or quote it") from None
    if not isinstance(tree, dict):
        raise UserError(str(path), "holds no settings", "write sections such as data: and budget:")
    return tree


def _apply_text(tree: dict[str, Any], override: str) -> None:
    key, found, value = override.partition("=")
    if not found or not key:
        raise UserError(f"--set {override}", "has no value", "write --set student.epochs=2")
    try:
        _apply(tree, key.strip(), yaml.safe_load(value), f"--set {override}")
    except (yaml.YAMLError, ValueError):
        raise UserError(f"--set {override}", f"{value!r} is not a YAML value", "quote it") from None


def _apply(tree: dict[str, Any], key: str, value: Any, place: str) -> None:
    *sections, last = key.split(".")
    here = tree
    for section in sections:
        child = here.setdefault(section, {})
        if child is None:
            child = here[section] = {}
        if not isinstance(child, dict):
            raise UserError(place, f"{section!r} is a value, not a section", "shorten the key")
        here = child
    merge = isinstance(value, dict) and value and isinstance(here.get(last), dict)
    here[last] = _merged(here[last], value) if merge else deepcopy(value)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {**deepcopy(old)}
    if "options" in new and any(name in new and new[name] != old.get(name) for name in ("kind", "method")):
        both.pop("options", None)  # they were those of another kind
    for key, value in new.items():
        both[key] = _merged(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


def _expand(value: Any, place: str) -> Any:
    """Replace ``${NAME}`` by the environment's value; raises ``UserError`` where it is not set."""
    if isinstance(value, dict):
        return {key: _expand(item, f"{place}.{key}" if place else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, place) for item in value]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise UserError(place, f"environment variable {name} is not set", f"run: export {name}=...")
        return os.environ[name]

    return _ENV.sub(one, value)


def _resolve_paths(run: Run, folder: Path) -> Run:
    def absolute(text: str) -> str:
        return text if text.startswith(("practice:", "hf:")) else str((folder / text).resolve())

    def base(text: str) -> str:
        return absolute(text) if text.startswith(("./", "../")) else text

    runs = (folder / run.runs).resolve()
    student = {"base": base(run.student.base)}
    if run.student.instructions is not None:
        student["instructions"] = absolute(run.student.instructions)
    teacher = {}
    if run.teacher.tokenizer is not None:
        teacher["tokenizer"] = absolute(run.teacher.tokenizer)
    if run.teacher.model is not None:
        teacher["model"] = base(run.teacher.model)
    update: dict[str, Any] = {
        "teacher": run.teacher.model_copy(update=teacher),
        "data": run.data.model_copy(update={"train": absolute(run.data.train), "test": absolute(run.data.test)}),
        "student": run.student.model_copy(update=student),
        "runs": runs,
        "store": (folder / run.store).resolve() if run.store is not None else runs / "replies.sqlite",
    }
    if run.assistant is not None:
        update["assistant"] = run.assistant.model_copy(update={"base": base(run.assistant.base)})
    if run.evaluate.harness.folder is not None:
        harness = run.evaluate.harness.model_copy(update={"folder": absolute(run.evaluate.harness.folder)})
        update["evaluate"] = run.evaluate.model_copy(update={"harness": harness})
    family, sign, name = run.score.embedder.partition(":")
    score = {"embedder": family + sign + base(name)}
    if run.score.base is not None:
        score["base"] = base(run.score.base)
    update["score"] = run.score.model_copy(update=score)
    return run.model_copy(update=update)
