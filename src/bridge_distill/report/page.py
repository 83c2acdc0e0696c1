"""Write ``report.html``: one file that needs no network, with the run's figures, tables and texts."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from bridge_distill import artifacts
from bridge_distill.report import (
    benchmarks,
    citations,
    curriculum,
    figures,
    guides,
    improvement,
    questions,
    rounds,
    words,
)
from bridge_distill.report.browser import browser
from bridge_distill.report.coverage import Pool, read_pool
from bridge_distill.report.flow import flow
from bridge_distill.report.folder import RunFolder, graded, open_run, write_text
from bridge_distill.report.hiding import shown_command, shown_settings
from bridge_distill.report.shrinking import shrunk
from bridge_distill.report.spending import spendings
from bridge_distill.report.summary import write_summary
from bridge_distill.report.training import curves
from bridge_distill.report.verdict import comparisons, headline

CHOSEN_ROWS = 200
REJECTED_ROWS = 50
CELL_CHARACTERS = 300


def write_report(run_folder: Path) -> Path:
    """Write ``summary.json`` and ``report.html`` into a run folder, finished or not; return the report's path.

    Raises ``UserError`` where the folder holds no run.
    """
    run = open_run(run_folder)
    summary = json.loads(write_summary(run_folder).read_text(encoding="utf-8"))
    path = run_folder / "report.html"
    write_text(path, render("report.html", _content(run, summary)))
    return path


def _content(run: RunFolder, summary: dict[str, Any]) -> dict[str, Any]:
    models, pool, data = graded(run), read_pool(run), run.folder("data")
    labels = {model.key: model.label for model in models}
    losses, taught = curves(run), curriculum.curricula(run)
    return {
        "summary": summary,
        "headline": headline(summary),
        "comparisons": comparisons(summary),
        "labels": labels,
        "flow": flow(run, summary),
        "bills": spendings(summary),
        "shown": None if pool is None else shown(pool),
        "guides": guides.guides(summary),
        "benchmarks": benchmarks.shown(summary, labels),
        "rounds": rounds.rounds(summary),
        "improvements": improvement.improvements(summary),
        "new_questions": questions.shown(summary),
        "shrunk": shrunk(summary),
        "losses": {name: (curve[0][1], curve[-1][1]) for name, curve in losses.items()},
        "browser": None if data is None else browser(artifacts.test_questions(data), models),
        "rejected": _rejected(data, summary),
        "overlap": {key: value for key, value in run.figures("data").items() if key.startswith("overlap")},
        "facts": _facts(run),
        "cited": _cited(run, summary),
        "clustered": next((model for model in summary.get("models", {}).values() if "contexts" in model), None),
        "curricula": taught,
        "plots": _plots(summary, models, pool, losses) | curriculum.plots(taught),
    }


def shown(pool: Pool) -> dict[str, Any]:
    """What a page says of a pool and its choice beside the figures."""
    picked = pool.picked()
    return {
        "chosen": picked,
        "rows": CHOSEN_ROWS,
        "others": len(pool.questions) - len(picked),
        "drawn": len(pool.drawn()),
        "reach": pool.reach,
    }


def _plots(summary: dict[str, Any], models: list[Any], pool: Pool | None, losses: dict[str, Any]) -> dict[str, Any]:
    plots: dict[str, Any] = {}
    if models:
        plots["accuracy"] = figures.accuracy(models, summary["models"], summary.get("majority"))
    if pool is not None and pool.questions:
        plots |= figures.of_pool(pool)
    if summary.get("rationales"):
        plots["funnel"] = figures.funnel(summary["rationales"])
    if losses:
        plots["losses"] = figures.losses(losses)
    return plots | guides.plots(summary) | rounds.plots(summary)


def _rejected(data: Path | None, summary: dict[str, Any]) -> dict[str, Any]:
    counts = dict(summary.get("questions", {}).get("rejected", {}))
    beyond = summary.get("questions", {}).get("beyond_limit", {})
    rows: list[dict[str, Any]] = []
    if data is not None and (data / artifacts.REJECTED).is_file():
        with (data / artifacts.REJECTED).open(encoding="utf-8") as lines:
            rows = [json.loads(line) for _, line in zip(range(REJECTED_ROWS), lines, strict=False)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return {
        "more": sum(counts.values()) > len(rows),
        "counts": counts | {f"{split} beyond the limit": number for split, number in beyond.items() if number},
        "total": sum(counts.values()) + sum(beyond.values()),
        "columns": columns,
        "rows": [[_cell(row.get(column)) for column in columns] for row in rows],
    }


def _facts(run: RunFolder) -> dict[str, Any]:
    import yaml

    records = list(run.records())
    versions = {name: str(version) for _, record in records for name, version in (record.get("versions") or {}).items()}
    config = shown_settings(run.facts.get("config") or {}, run.path)
    return {
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "command": shown_command(str(run.facts.get("command") or ""), run.path),
        "seed": config.get("seed"),
        "versions": versions,
        "commits": sorted({str(record["commit"]) for _, record in records if record.get("commit")}),
        "finished": max((str(record.get("finished_at") or "") for _, record in records), default=""),
        "records": [(folder, record.get("seconds"), record.get("peak_memory_bytes")) for folder, record in records],
    }


def _cited(run: RunFolder, summary: dict[str, Any]) -> list[citations.Cited]:
    """The methods of the stages that are done, arms' included, and of the page's own statistics."""
    named = [(stage, arm) for arm in (None, *run.arms) for stage in run.stages(arm)]
    done = [(stage, run.record(stage, arm)) for stage, arm in named if run.folder(stage, arm) is not None]
    used = [found for stage, record in done for found in citations.of_stage(stage, record.get("settings") or {})]
    models = summary.get("models", {}).values()
    tests = citations.CLUSTERED if any("contexts" in model for model in models) else citations.TESTS
    return citations.cited(used + (list(tests.items()) if models else []))


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words.excerpt(text, CELL_CHARACTERS)


def render(template: str, content: dict[str, Any]) -> str:
    """A page of this package's templates that holds its own style and scripts; ``content`` has its ``plots``."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("bridge_distill", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name)
        for name in ("percent", "points", "count", "parameters", "money", "duration", "memory", "excerpt", "unbroken")
    }
    own = files("bridge_distill.report")
    names = ["report.js", *(["browser.js"] if content.get("browser") else [])]
    plotly = get_plotlyjs()
    scripts = [own.joinpath(name).read_text(encoding="utf-8") for name in names]
    style = own.joinpath("report.css").read_text(encoding="utf-8")
    # Only these scripts may run: should a text ever slip through the escaping, the browser refuses it.
    policy = " ".join(f"'sha256-{_digest(script)}'" for script in [plotly, *scripts])
    shared = {"plotly": plotly, "scripts": scripts, "style": style, "policy": policy}
    return environment.get_template(template).render(**content, **shared)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
