"""Write a study's ``summary.json`` and ``report.html``: one file that needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bridge_distill.engine.stage import RECORD
from bridge_distill.report import words
from bridge_distill.report.folder import read_json, write_text
from bridge_distill.report.hiding import shown_command, shown_settings, shown_text
from bridge_distill.report.page import render
from bridge_distill.report.study import plots
from bridge_distill.report.study.folder import StudyFolder, open_study
from bridge_distill.report.study.methods import methods
from bridge_distill.report.study.summary import summary_of
from bridge_distill.report.study.table import aside
from bridge_distill.report.study.words import beside, gap, headline, p_value, sentences, share, verdict


def write_study_report(folder: Path, reference: str | None = None) -> Path:
    """Write both files into a study's folder, finished or not; return the report's path.

    ``reference`` is the arm to compare with. Raises ``UserError`` where the folder holds no study or has no such arm.
    """
    study = open_study(folder, reference)
    summary = summary_of(study)
    write_text(folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    path = folder / "report.html"
    write_text(path, render("study.html", _content(study, summary)))
    return path


def _content(study: StudyFolder, summary: dict[str, Any]) -> dict[str, Any]:
    records = _records(study)
    stages = [(name, record.get("settings") or {}) for name, record in records]
    return {
        "summary": summary,
        "headline": headline(summary),
        "sentences": sentences(summary),
        "sets": [_set(number, *named) for number, named in enumerate(summary["sets"].items())],
        "cited": methods(summary, stages),
        "facts": _facts(study, summary["reference"], [record for _, record in records]),
        "failed": {cell: shown_text(error, study.path) for cell, error in study.failed.items()},
        "plots": plots.plots(summary),
    }


def _set(number: int, name: str, found: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a data set: arms by budget, each comparison, what else was tested, what each took."""
    budgets = list(dict.fromkeys(row["budget"] for row in found["arms"]))
    arms = list(dict.fromkeys(row["arm"] for row in found["arms"]))
    at = {(row["arm"], row["budget"]): row for row in found["arms"]}
    return {
        "number": number,
        "name": name,
        "aside": aside(found),
        "budgets": budgets,
        "matrix": [(arm, [_accuracy(at.get((arm, budget))) for budget in budgets]) for arm in arms],
        "rows": [_row(row) for row in found["arms"]],
        "beside": [
            (row, name, [(right["value"], share(right)), (right["value"], seeds)])
            for row, name, right, seeds in beside(found["arms"])
        ],
        "ledger": [_ledger(row) for row in found["arms"]],
    }


def _accuracy(row: dict[str, Any] | None) -> tuple[float, str]:
    return (-1.0, "") if row is None else (row["accuracy"]["value"], share(row["accuracy"]))


def _row(row: dict[str, Any]) -> list[tuple[Any, str]]:
    """What to sort by and what to read in each column after the arm's and the budget's."""
    found, times, way = row["difference"], row["ratio"], row["closed"]
    seeds, reached = len(row["seeds"]), _accuracy(row)
    closed = ("", "") if way is None else (way["value"], share(way))
    if found is None:
        return [(seeds, str(seeds)), reached, ("", ""), ("", ""), closed, ("", ""), ("", ""), ("", verdict(row))]
    ratio = ("", "") if times is None else (times["value"], _times(times))
    limit = found["detectable"]
    return [
        (seeds, str(seeds)),
        reached,
        (found["points"], gap({**found, "resolved": False})),
        ratio,
        closed,
        (found["holm"], p_value(found["holm"])),
        ("", "") if limit is None else (limit, words.points(limit)),
        (verdict(row), verdict(row)),
    ]


def _times(found: dict[str, float]) -> str:
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def _ledger(row: dict[str, Any]) -> list[tuple[Any, str]]:
    took = row["ledger"]
    counts = [(took[key], words.count(took[key])) for key in ("steps", "tokens")]
    size = (took["parameters"], words.parameters(took["parameters"]))
    times = [(took[key], words.duration(took[key])) for key in ("assistant_seconds", "seconds")]
    paid = [(took[key], words.count(took[key])) for key in ("calls", "input_tokens", "output_tokens")]
    return [size, *counts, *times, *paid, (float(took["usd"]), words.money(took["usd"]))]


def _records(study: StudyFolder) -> list[tuple[str, dict[str, Any]]]:
    """The name and the record of every stage that a finished cell came from, each stage once."""
    paths = {path: name for line in study.lines for name, path in line["paths"].items()}
    places = [(name, study.path / path / RECORD) for path, name in paths.items()]
    return [(name, read_json(place)) for name, place in places if place.is_file()]


def _facts(study: StudyFolder, reference: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    import yaml

    used = [item for record in records for item in (record.get("versions") or {}).items()]
    # A study that went on for weeks may have been made by several.
    versions = {name: ", ".join(sorted({str(value) for key, value in used if key == name})) for name, _ in used}
    config = study.facts["config"]
    of_reference = [config[name] for cell in study.cells if (name := f"{cell['set']}, {reference}") in config][:1]
    study_file, *run_files = [
        yaml.safe_dump(shown_settings(each, study.path), sort_keys=False, allow_unicode=True)
        for each in (study.facts["study"], *of_reference)
    ]
    return {
        "config": study_file,
        "run": "".join(run_files),
        "command": shown_command(str(study.facts["command"]), study.path),
        "versions": versions,
        "commits": sorted({str(record["commit"]) for record in records if record.get("commit")}),
        "finished": max((str(record.get("finished_at") or "") for record in records), default=""),
    }
