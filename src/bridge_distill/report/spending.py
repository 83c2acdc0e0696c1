"""The bill for a reader: a table of what was planned and charged, and in words what the two do not say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.bill import UNITS

NAMES = {"queries": "requests", "input_tokens": "input tokens", "output_tokens": "output tokens", "usd": "US dollars"}
CAPS = {"run": "Cap", "study": "Cap of the study", "store": "Cap of the store"}
# From here on the expectation was far off.
MUCH = Decimal("1.5")
# An average that is this much above the expected one is a reason.
LONGER = Decimal("1.1")
MOST_REASONS = 5
# Outcomes of attempts that brought no reply, and are charged in full.
AT_WORST = ("unknown", "reserved", "accepted")


@dataclass(frozen=True)
class Row:
    """One unit's figures; ``times`` says how far above the expectation it is, ``""`` where it is not far."""

    name: str
    expected: str
    worst: str
    charged: str
    times: str
    caps: list[str]


@dataclass(frozen=True)
class Spending:
    """One buyer's bill; ``arm`` is None for the run itself. ``open_`` counts requests that nobody can account for."""

    arm: str | None
    caps: list[str]
    rows: list[Row]
    notes: list[str]
    open_: int


def spendings(summary: dict[str, Any]) -> list[Spending]:
    """The bill of the run and of each arm that bought its own replies, where there is something to say."""
    arms = {key: arm.get("teacher") for key, arm in summary.get("arms", {}).items() if not arm["same_replies"]}
    buyers = {None: summary.get("teacher"), **arms}
    found = [_spending(arm, bill) for arm, bill in buyers.items() if bill]
    return [one for one in found if one.rows or one.notes or one.open_]


def _spending(arm: str | None, bill: dict[str, Any]) -> Spending:
    levels = list(bill["planned"]["caps"]) if _bought(bill) else []
    rows = [_row(unit, bill, levels) for unit in UNITS] if _bought(bill) else []
    notes = [*_plan(bill), *_excess(bill), *_end(bill), *_served(bill), *_failures(bill)]
    attempts = bill.get("attempts", {})
    open_ = attempts.get("unknown", 0) + attempts.get("reserved", 0)
    return Spending(arm, [CAPS[level] for level in levels], rows, notes, open_)


def _bought(bill: dict[str, Any]) -> bool:
    """Whether a plan is known, and anything was planned or charged."""
    return "planned" in bill and bool(bill["planned"]["requests"] or bill["charged"]["queries"])


def _row(unit: str, bill: dict[str, Any], levels: list[str]) -> Row:
    planned = bill["planned"]
    return Row(
        name=words.capital(NAMES[unit]),
        expected=_amount(unit, planned["expected"][unit]),
        worst=_amount(unit, planned["worst"][unit]),
        charged=_amount(unit, bill["charged"][unit]),
        times=_times(unit, bill) if _is_much(unit, bill) else "",
        caps=[_amount(unit, planned["caps"][level][unit]) for level in levels],
    )


def _amount(unit: str, value: Any) -> str:
    if value is None:
        return "none"
    return words.money(value) if unit == "usd" else words.count(value)


def _is_much(unit: str, bill: dict[str, Any]) -> bool:
    charged, expected = _both(unit, bill)
    return charged > 0 and charged >= MUCH * expected


def _times(unit: str, bill: dict[str, Any]) -> str:
    charged, expected = _both(unit, bill)
    return f"{charged / expected:.1f} × expected" if expected else "none expected"


def _both(unit: str, bill: dict[str, Any]) -> tuple[Decimal, Decimal]:
    return Decimal(str(bill["charged"][unit])), Decimal(str(bill["planned"]["expected"][unit]))


def _plan(bill: dict[str, Any]) -> Iterator[str]:
    """What was planned, and what the plan rested on."""
    if "planned" not in bill:
        return
    planned = bill["planned"]
    stored = f"{_replies(planned['from_store'])} in the store already" if planned["from_store"] else ""
    if not _bought(bill):
        yield f"Nothing was bought{f': {stored}' if stored else ''}."
        return
    way = "sent one by one"
    if planned["mode"] == "batch":
        way = f"sent in batches at {words.percent(float(planned['price_share']))} of the price"
    seen = planned["replies_seen"]
    basis = f"a rule of thumb and {_replies(seen)} seen before" if seen else "a rule of thumb"
    yield f"Planned: {words.counted(planned['requests'], 'request')}, {way}{f'; {stored}' if stored else ''}."
    yield f"Lengths were expected by {basis}."
    if planned["price"] is None:
        yield "No price is known for this model, so it counts no US dollars."
    for level in dict.fromkeys(("run", *planned["caps"])):
        before = planned["spent"][level]
        if before["queries"]:
            paid = f"{words.counted(before['queries'], 'request')} and {words.money(before['usd'])}"
            yield f"{paid} were charged to the {level} before this plan: they count under its caps, not in this table."


def _excess(bill: dict[str, Any]) -> Iterator[str]:
    """Where more was charged than expected by far, and why, as far as the figures say."""
    if not _bought(bill):
        return
    much = {unit for unit in UNITS if _is_much(unit, bill)}
    if not much:
        return
    units = ", ".join(f"{NAMES[unit]} ({_times(unit, bill)})" for unit in UNITS if unit in much)
    yield f"Much more was charged than expected: {units}."
    for unit, what in (("output_tokens", "Replies"), ("input_tokens", "Prompts")):
        found, expected = _averages(unit, bill)
        if much & {unit, "usd"} and expected and found > LONGER * expected:
            yield f"{what} were longer than expected: {found:,.0f} tokens on average, not {expected:,.0f}."
    attempts = bill.get("attempts", {})
    at_worst = sum(attempts.get(outcome, 0) for outcome in AT_WORST)
    if at_worst:
        verb = "is" if at_worst == 1 else "are"
        yield f"{words.counted(at_worst, 'request')} without a known outcome {verb} charged at the worst case."
    refused = attempts.get("refused", 0)
    if "queries" in much and refused:
        verb = "was" if refused == 1 else "were"
        yield f"{words.counted(refused, 'request')} {verb} refused by the provider: that counts, but costs nothing."


def _averages(unit: str, bill: dict[str, Any]) -> tuple[Decimal, Decimal]:
    """Tokens of a reply or prompt that was paid for, and of one that was expected."""
    paid, expected = bill["paid"], bill["planned"]["expected"]
    return Decimal(paid[unit]) / max(paid["replies"], 1), Decimal(expected[unit]) / max(expected["queries"], 1)


def _end(bill: dict[str, Any]) -> Iterator[str]:
    """The cap that ended buying."""
    cap = bill.get("ended_by")
    if cap is None:
        return
    foreseen = ", as the plan foresaw" if bill.get("planned", {}).get("stopped_by") == cap else ""
    unasked = bill.get("unasked", 0)
    left = f"; {words.counted(unasked, 'request')} {'was' if unasked == 1 else 'were'} left unasked" if unasked else ""
    yield f"The cap budget.{cap} ended it{foreseen}: one more request might have passed it{left}."
    attempts = bill.get("attempts", {})
    vain = sum(attempts.get(outcome, 0) for outcome in (*AT_WORST, "refused"))
    if cap.endswith("queries") and vain:
        yield f"{words.counted(vain, 'request')} without a reply {'counts' if vain == 1 else 'count'} under it too."


def _served(bill: dict[str, Any]) -> Iterator[str]:
    """Who answered, where the provider names another model than the one asked for."""
    served = bill.get("served_by", {})
    if not served.keys() - {bill.get("model")}:
        return
    names = ", ".join(f"{name} ({_replies(number)})" for name, number in served.items())
    yield f"Asked for was {bill.get('model')}; the provider says that the answers came from {names}."


def _failures(bill: dict[str, Any]) -> Iterator[str]:
    """Requests that were given up, by reason."""
    reasons = list(bill.get("failures", {}).items())
    if not reasons:
        return
    told = "; ".join(f"{words.excerpt(reason)} ({words.count(number)})" for reason, number in reasons[:MOST_REASONS])
    more = f"; and {len(reasons) - MOST_REASONS} reasons more" if len(reasons) > MOST_REASONS else ""
    yield f"{words.counted(bill['failed'], 'request')} failed: {told}{more}."


def _replies(number: int) -> str:
    return f"{words.count(number)} {'reply' if number == 1 else 'replies'}"
