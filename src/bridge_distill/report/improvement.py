"""What each round of the assistant's self-improvement brought, and what it cost in seconds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.folder import RunFolder

_EXPLAIN = "/explain"


@dataclass(frozen=True)
class Improvement:
    """The rounds of a run, or of an arm that has its own: table rows, and what was refused in each."""

    arm: str | None
    rows: list[list[str]]
    refused: list[str]


def improvement(run: RunFolder, arm: str | None = None) -> list[dict[str, Any]]:
    """The finished rounds in order as plain JSON; seconds are those of explaining and of the tuning that followed."""
    names = [name for name in run.stages(arm) if name.startswith("improve-") and name.endswith(_EXPLAIN)]
    found = []
    for name in names:
        record, number = run.record(name, arm), int(name.removeprefix("improve-").removesuffix(_EXPLAIN))
        if record:
            after = f"improve-{number}/assistant" if f"improve-{number}/assistant" in run.stages(arm) else "assistant"
            found.append(_round(number, record, run.record(after, arm)))
    return found


def improvements(summary: dict[str, Any]) -> list[Improvement]:
    """The run and each arm of a summary whose assistant improved itself."""
    arms = {key: arm.get("improvement") for key, arm in summary.get("arms", {}).items()}
    found = {None: summary.get("improvement"), **arms}
    return [
        Improvement(arm, [_row(each) for each in rounds], [_refused(each) for each in rounds])
        for arm, rounds in found.items()
        if rounds
    ]


def _round(number: int, record: dict[str, Any], tuned: dict[str, Any]) -> dict[str, Any]:
    figures = record["figures"]
    hinted = figures.get("hinted", {})
    reasons: Counter[str] = Counter()
    for step in [*figures["filters"], *hinted.get("filters", [])]:
        reasons.update(step["reasons"])
    return {
        "round": number,
        "asked": figures["asked"],
        "written": figures["written"] + hinted.get("written", 0),
        "right": figures["right"],
        "right_unlearnt": figures["right_unlearnt"],
        "joined": figures["joined"],
        "asked_hinted": hinted.get("asked", 0),
        "joined_hinted": hinted.get("joined", 0),
        "refused": dict(reasons.most_common()),
        "seconds": record["seconds"],
        "seconds_tuning": tuned.get("seconds"),
    }


def _row(found: dict[str, Any]) -> list[str]:
    tuning = found["seconds_tuning"]
    return [
        str(found["round"]),
        words.count(found["asked"]),
        _share(found["right"]),
        _share(found["right_unlearnt"]),
        words.count(found["joined"]),
        f"{words.count(found['joined_hinted'])} of {words.count(found['asked_hinted'])}",
        words.duration(found["seconds"]),
        "" if tuning is None else words.duration(tuning),
    ]


def _share(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none"
    interval = f"[{words.percent(found['low'])}, {words.percent(found['high'])}]"
    return f"{words.count(found['correct'])} of {words.count(found['n'])} {interval}"


def _refused(found: dict[str, Any]) -> str:
    told = "; ".join(f"{words.count(number)} {reason}" for reason, number in found["refused"].items()) or "none"
    return f"Round {found['round']} wrote {words.counted(found['written'], 'explanation')}. Refused: {told}."
