"""The account for a person: a table of totals beside caps and plans, and the commands that close what is open."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge_distill.teacher.account import UNITS

MOST_SHOWN = 10


def with_commands(found: dict[str, Any], path: Path, asks: bool) -> dict[str, Any]:
    """The account, with the exact ``commands`` beside all that is open.

    ``path`` is what the user gave, ``asks`` whether it names a teacher who can be asked.
    """
    base = f"bridge-distill ledger reconcile {shlex.quote(str(path))}"
    ask = base if asks else "bridge-distill ledger reconcile RUNFILE"
    open_, hosts, batches = [], [], []
    for row in found["open"]:
        number, worst = row["id"], row["worst"]
        billed = f"{base} --billed {number}={worst['input_tokens']},{worst['output_tokens']}"
        commands = [ask] * row["can_be_asked"] + [f"{base} --not-billed {number}", billed]
        open_.append({**row, "commands": commands})
    for row in found["under_way"]:
        hosts.append({**row, "commands": [] if row["here"] else [f"{base} --host-gone {shlex.quote(row['host'])}"]})
    for row in found["batches"]:
        commands = [] if row["waited_for"] else [ask, f"{base} --give-up {row['name']}"]
        batches.append({**row, "commands": commands})
    rest = [f"{base} --accept-rest"] if open_ else []
    return {**found, "open": open_, "under_way": hosts, "batches": batches, "accept_rest": rest}


def in_words(found: dict[str, Any]) -> str:
    """The whole account; of many open attempts the first ones."""
    parts = [f"store {found['path']}: {found['store']['replies']} replies", *_table(found)]
    return "\n".join([*parts, *_passed_lines(passed(found)), *_open_lines(found, MOST_SHOWN)])


def open_in_words(found: dict[str, Any]) -> str:
    """All that is open or may still come."""
    return "\n".join(_open_lines(found, None))


def passed(found: dict[str, Any]) -> list[str]:
    """The caps that are passed: by a bill above its worst case, or since they were lowered."""
    return [f"{cap} of run {row['run']}" for row in found["caps"] for cap in row["passed"] or []]


def reconciled_in_words(done: dict[str, Any], found: dict[str, Any]) -> str:
    """What the provider and the user closed, and what is left."""
    provider, user = done["provider"], done["user"]
    closed = {
        "settled with the reply that the provider kept": provider["settled"],
        "collected batches": provider["collected"],
        "closed by your word": user["said"],
        "accepted at their worst case": user["accepted"],
        "billed above their worst case, and recorded as they are": user["above"],
    }
    lines = [f"{words}: {_listed(names)}" for words, names in closed.items() if names] or ["nothing was closed"]
    silent = list(provider["silent"].items())
    lines += [f"attempt {attempt}: {reason}" for attempt, reason in silent[:MOST_SHOWN]]
    lines += [f"and {len(silent) - MOST_SHOWN} more that the provider did not help with"] * (len(silent) > MOST_SHOWN)
    return "\n".join([*lines, *_passed_lines(done["passed"]), *_open_lines(found, MOST_SHOWN)])


def _passed_lines(names: list[str]) -> list[str]:
    return [f"caps that are passed, so that nothing more is bought under them: {', '.join(names)}"] if names else []


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(map(str, names[:MOST_SHOWN])) + more


def _attempts(number: int) -> str:
    return f"{number} attempt{'s' * (number != 1)}"


def _table(found: dict[str, Any]) -> list[str]:
    rows: list[tuple[str, dict[str, Any], str]] = [("store", found["store"], "")]
    rows += [(f"study {name}", row, "") for name, row in found["studies"].items()]
    for row in found["runs"]:
        outcomes = ", ".join(f"{number} {outcome}" for outcome, number in row["attempts"].items())
        rows.append((f"run {row['run']}" + (f" ({row['study']})" if row["study"] else ""), row, outcomes))
    for row in found["caps"]:
        rows += [(f"cap on {_whose(level, row['run'])}", caps, "") for level, caps in row["caps"].items()]
    for row in found["plans"]:
        rows.append((f"plan of {row['run']}", row["expected"], f"{row['time'][:19]}, {row['model']}, {row['mode']}"))
        rows += [("  at most", row["worst"], ""), ("  charged since", row["charged"], "")]
    width = max(len(name) for name, _, _ in rows)
    head = f"  {'':{width}} {'queries':>9} {'input':>13} {'output':>13} {'usd':>15}"
    return [head, *(_line(name, width, values, after) for name, values, after in rows)]


def _whose(level: str, run: str) -> str:
    return f"run {run}" if level == "run" else f"its {level}"


def _line(name: str, width: int, values: dict[str, Any], after: str) -> str:
    cells = ["-" if values[unit] is None else str(values[unit]) for unit in UNITS]
    queries, inputs, outputs, usd = cells
    return f"  {name:{width}} {queries:>9} {inputs:>13} {outputs:>13} {usd:>15}  {after}".rstrip()


def _open_lines(found: dict[str, Any], most: int | None) -> list[str]:
    open_ = found["open"]
    lines = [f"open attempts, charged at their worst case: {len(open_)}"]
    for row in open_[:most]:
        worst = f"{row['worst']['input_tokens']} + {row['worst']['output_tokens']} tokens, ${row['worst']['usd']}"
        lines.append(f"  {row['id']} of run {row['run']} ({row['model']}), {row['time'][:19]}: {worst}; {row['note']}")
        lines += _commands(row)
    if most is not None and len(open_) > most:
        lines.append(f"  and {len(open_) - most} more: add --open")
    lines += [f"  all of them at their worst case:\n    {command}" for command in found["accept_rest"]]
    for row in found["under_way"]:
        who = f"process {row['process']} on {row['host']}" + ("" if row["here"] else ", which cannot be seen from here")
        lines.append(f"under way since {row['since'][:19]}: {_attempts(row['attempts'])} of {who}")
        lines += _commands(row)
    for row in found["batches"]:
        where = f"{row['provider']} {row['provider_id'] or 'knows no id yet'}"
        waits = "a process waits for it" if row["waited_for"] else "nobody waits for it"
        lines.append(f"batch {row['name']} of run {row['run']}, {_attempts(row['attempts'])}, {where}: {waits}")
        lines += _commands(row)
    return lines


def _commands(row: dict[str, Any]) -> list[str]:
    return [f"    {command}" for command in row["commands"]]
