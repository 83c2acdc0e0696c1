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
        **(_against_plan(figures, figures["planned"]) if figures.get("planned") else {}),
    }


def _used(replies: Sequence[Reply]) -> dict[str, int]:
    """What the replies themselves used, without what is charged for requests that brought none."""
    return {
        "replies": len(replies),
        "input_tokens": sum(reply.input_tokens for reply in replies),
        "output_tokens": sum(reply.output_tokens for reply in replies),
    }


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
        "charged": {unit: f"{value:f}" if unit == "usd" else int(value) for unit, value in charged.items()},
    }
