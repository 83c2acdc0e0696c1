"""``bridge-distill shrink``: cut a small model from a base, without a run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from bridge_distill.cli_options import AsJson, Seed, Threads
from bridge_distill.config import Compute, Shrink
from bridge_distill.errors import UserError
from bridge_distill.validation import read_section

if TYPE_CHECKING:
    from bridge_distill.models.load import Model

LINES = ".txt"


def shrink(
    base: Annotated[str, typer.Option(help="Embedded base, model folder or hub id.")],
    text: Annotated[
        Path, typer.Option(metavar="FILE", help="Texts like those to come: .txt (a line each), .jsonl, .csv, .parquet.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="New folder for the model.")],
    column: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    layers: Annotated[
        str | None, typer.Option(metavar="N|LIST", help="How many layers stay, or which, such as 0,1,29.")
    ] = None,
    layer_choice: Annotated[str | None, typer.Option(metavar="HOW", help="spaced, angular or loss.")] = None,
    vocabulary: Annotated[str | None, typer.Option(metavar="task", help="Trim to the tokens of the texts.")] = None,
    common_tokens: Annotated[int | None, typer.Option(help="Earliest merges that stay beside them.")] = None,
    mlp: Annotated[str | None, typer.Option(metavar="N|SHARE", help="Units of each MLP that stay.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads that stay.")] = None,
    tie: Annotated[bool, typer.Option("--tie", help="Use one matrix for input and output.")] = False,
    calibration: Annotated[int | None, typer.Option(help="Most texts that are read to see what matters.")] = None,
    size: Annotated[str | None, typer.Option(metavar="N", help="A new model of so many parameters, e.g. 10M.")] = None,
    heal_steps: Annotated[int, typer.Option(min=0, help="Steps of training on the texts afterwards.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Texts a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Its highest value.")] = 5e-4,
    max_tokens: Annotated[int, typer.Option(min=2, help="Longer texts are not learnt.")] = 256,
    seed: Seed = 0,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Cut a small model from a base (docs/shrinking.md), say what that saves, and write it as plain safetensors."""
    asked = {
        "layers": layers,
        "layer_choice": layer_choice,
        "vocabulary": vocabulary,
        "common_tokens": common_tokens,
        "mlp": mlp,
        "heads": heads,
        "tie": tie,
        "calibration": calibration,
        "size": size,
    }
    settings = _settings({name: value for name, value in asked.items() if value is not None})
    _check_out(out)
    texts = _texts(text, column)

    from bridge_distill.models.load import load
    from bridge_distill.models.runtime import set_seed
    from bridge_distill.models.shrink import cut, weigh
    from bridge_distill.models.train import Training

    set_seed(seed)
    model = load(base, Compute(threads=threads), "--base", trained=True)
    before = weigh(model)
    cut(model, settings, texts, "shrink")
    figures: dict[str, Any] = {"base": before, "shrunk": weigh(model), "out": str(out)}
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as partial:
        if heal_steps:
            training = Training(heal_steps, batch, learning_rate, max_tokens, heal_steps + 1, seed)
            figures["healed"] = _heal(model, texts, training, Path(partial) / "training")
        model.save(Path(partial) / "model")
        (Path(partial) / "model").rename(out)
    typer.echo(json.dumps(figures, indent=2) if as_json else _in_words(figures))


def _settings(asked: Mapping[str, Any]) -> Shrink:
    """The options as a run file's section; raises ``UserError``."""
    values = {name: _number(value) if name in ("layers", "mlp") else value for name, value in asked.items()}
    try:
        return read_section(Shrink, values, "shrink")
    except UserError as error:
        raise UserError(error.place, error.problem, "see bridge-distill shrink --help") from None


def _number(text: str) -> Any:
    """``6``, ``0.5`` or ``0,1,29`` as values; other texts as they are, for the section to refuse."""
    try:
        return yaml.safe_load(f"[{text}]") if "," in text else yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def _check_out(out: Path) -> None:
    if out.exists():
        raise UserError(f"--out {out}", "is there already", "give another name")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}", f"{out.parent} is no folder", "make it first")


def _texts(path: Path, column: str) -> list[str]:
    """Every text of a file; raises ``UserError`` for a row that holds none."""
    from bridge_distill.data.sources import read_file, unreadable

    if path.suffix.lower() == LINES:
        try:
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except OSError as error:
            raise unreadable(path, "--text", error) from None
        except UnicodeDecodeError:
            raise UserError(f"--text {path}", "is not UTF-8", "write it as UTF-8") from None
    else:
        found = []
        for row in read_file(path, "--text"):
            value = None if row.values is None else row.values.get(column)
            if not isinstance(value, str) or not value.strip():
                problem = row.problem or f"has no text in {column!r}"
                raise UserError(f"{path}:{row.line}", problem, "correct the row, or name the texts' --column")
            found.append(value)
    if not found:
        raise UserError(f"--text {path}", "holds no text", "give texts like those that the model will meet")
    return found


def _heal(model: Model, texts: list[str], training: Any, scratch: Path) -> dict[str, Any]:
    """Learn every token of the texts; returns figures."""
    from bridge_distill.models.train import Example, fine_tune

    try:
        trained = fine_tune(model, [Example(None, text) for text in texts], training, scratch, "healing")
    except ValueError as error:
        raise UserError("--max-tokens", str(error), "raise it") from error
    losses = [loss for _, loss in trained.losses]
    return {
        "steps": trained.steps,
        "tokens": trained.tokens,
        "too_long": trained.too_long,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def _in_words(figures: Mapping[str, Any]) -> str:
    lines = [f"{'':10}{'parameters':>14}{'MB':>10}{'128 tokens read':>18}{'a token written':>18}"]
    for name in ("base", "shrunk"):
        one = figures[name]
        lines.append(
            f"{name:10}{one['parameters']:>14,}{one['megabytes']:>10,.1f}"
            f"{one['prefill_ms']:>15,.1f} ms{one['token_ms']:>15,.1f} ms"
        )
    healed = figures.get("healed")
    if healed is not None:
        lost = f", {healed['too_long']:,} texts too long" if healed["too_long"] else ""
        told = f"{healed['tokens']:,} tokens, loss {healed['first_loss']:.2f} to {healed['last_loss']:.2f}"
        lines.append(f"healed in {healed['steps']} steps: {told}{lost}")
    return "\n".join([*lines, f"model: {figures['out']}"])
