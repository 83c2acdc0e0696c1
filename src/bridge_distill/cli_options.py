"""What ``select`` and ``curate`` are told in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
import yaml

from bridge_distill.config.types import MOST_SEED
from bridge_distill.errors import UserError

Many = list[str] | None
Budget = Annotated[str, typer.Option(metavar="N", help="How many to choose: a count, or a share such as 5%.")]
Columns = Annotated[Many, typer.Option("--column", metavar="FIELD=NAME", help="Column of a field, e.g. id=number.")]
Embeddings = Annotated[
    str | None, typer.Option(metavar="SOURCE", help="A .npy file of shape (rows, width), or a column of lists.")
]
Settings = Annotated[Many, typer.Option("--set", metavar="K=V", help="An option of the method (docs/selection.md).")]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Decides every draw.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Cores to use; all where left out.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


def read_pairs(option: str, given: Many) -> dict[str, str]:
    """``name=value`` texts as a mapping; raises ``UserError``."""
    found = {}
    for text in given or []:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise UserError(f"{option} {text}", "has no value", f"write such as {option} name=value")
        found[name.strip()] = value.strip()
    return found


def read_settings(texts: Many) -> dict[str, Any]:
    """``a.b=value`` texts as a tree, values read as YAML; raises ``UserError``."""
    tree: dict[str, Any] = {}
    for key, value in read_pairs("--set", texts).items():
        *sections, last = key.split(".")
        try:
            _section(tree, sections)[last] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):
            raise UserError(f"--set {key}={value}", f"{value!r} is not a YAML value", "quote it") from None
    return tree


def _section(tree: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    for name in path:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise UserError(f"--set {'.'.join(path)}", f"{name!r} is a value, not a section", "shorten the key")
    return tree
