"""What the teacher's replies cost: what was planned before anything was paid, and what was charged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from bridge_distill import artifacts
from bridge_distill.records import Reply
from bridge_distill.report.folder import RunFolder

UNITS = ("queries", "input_tokens", "output_tokens", "usd")
TOLD = ("model", *UNITS, "price_source", "attempts", "from_store", "served_by", "unasked", "exhausted", "ended_by")
PLANNED = ("mode", "price", "price_source", "from_store", "replies_seen", "spent")
MODE = ("requests", "expected", "worst", "stopped_by", "price_share")


def bill(run: RunFolder, arm: str | None = None) -> dict[str, Any]:
    """The bill of a run's or an arm's teacher, money as exact strings in USD; empty where it has not been asked.

    ``planned`` and ``charged`` (since that plan) are absent where the run was made before plans were kept.
    """
    folder = run.folder("teach", arm)
    if folder is None:
        return {}
    figures = run.figures("teach", arm)
    replies = artifacts.replies(folder)
    failed = figures.get("failed", [])
    stored = sum(reply.usd_micros for reply in replies if reply.stored)
    return {
        **{key: figures[key] for key in TOLD if key in figures},
        "failed": len(failed),
        "failures": dict(Counter(row["reason"] for row in failed).most_common()),
        "replies": len(replies),
        "questions": len({reply.question_id for reply in replies}),
        "paid": _used([reply for reply in replies if not reply.stored]),
        # Earlier runs paid for these: they are no part of this run's usd, but of what its replies cost.
        "usd_from_store": f"{Decimal(stored).scaleb(-6):f}",
        **(_against_plan(figures, _plan(run, arm)) if figures.get("planned") else {}),
    }


def _used(replies: Sequence[Reply]) -> dict[str, int]:
    """What the replies themselves used, without what is charged for requests that brought none."""
    return {
        "replies": len(replies),
        "input_tokens": sum(reply.input_tokens for reply in replies),
        "output_tokens": sum(reply.output_tokens for reply in replies),
    }


def _plan(run: RunFolder, arm: str | None) -> dict[str, Any]:
    """The plan of the last purchase; in several rounds, what all of their plans come to, from before the first."""
    teaching = [stage for stage in run.stages(arm) if stage.split("/")[-1] == "teach"]
    plans: list[dict[str, Any]] = []
    for stage in teaching:
        planned = run.figures(stage, arm).get("planned")
        # Where nothing was left to buy, the last purchase is that of the round before, with its plan.
        if planned and planned not in plans:
            plans.append(planned)
    first, last = plans[0], plans[-1]
    modes = [plan["modes"][plan["mode"]] for plan in plans]
    summed = {
        "requests": sum(mode["requests"] for mode in modes),
        "expected": _sum([mode["expected"] for mode in modes]),
        "worst": _bound(_sum([mode["worst"] for mode in modes]), last["caps"]["run"], first["spent"]["run"]),
    }
    start = {key: first[key] for key in ("spent", "from_store", "replies_seen")}
    return {**last, **start, "modes": {**last["modes"], last["mode"]: {**modes[-1], **summed}}}


def _sum(spends: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts added as whole numbers, money as exact dollars."""
    total = {unit: sum((Decimal(str(spend[unit])) for spend in spends), Decimal(0)) for unit in UNITS}
    return {unit: _plain(unit, value) for unit, value in total.items()}


def _bound(worst: dict[str, Any], caps: dict[str, Any], spent: dict[str, Any]) -> dict[str, Any]:
    """No more than the caps left before the first purchase, whatever the worst cases come to."""
    left = {unit: Decimal(str(caps[unit])) - Decimal(str(spent[unit])) for unit in UNITS if caps[unit] is not None}
    return worst | {unit: _plain(unit, min(Decimal(str(worst[unit])), cap)) for unit, cap in left.items()}


def _plain(unit: str, value: Decimal) -> str | int:
    return f"{value:f}" if unit == "usd" else int(value)


def _against_plan(figures: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    caps = {level: found for level, found in plan["caps"].items() if any(cap is not None for cap in found.values())}
    mode = plan["modes"][plan["mode"]]
    before = plan["spent"]["run"]
    charged = {unit: Decimal(str(figures[unit])) - Decimal(str(before[unit])) for unit in UNITS}
    return {
        "planned": {
            **{key: plan[key] for key in PLANNED},
            **{key: mode[key] for key in MODE},
            "caps": caps,
        },
        "charged": {unit: _plain(unit, value) for unit, value in charged.items()},
    }
