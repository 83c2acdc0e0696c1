"""The run's outcome in sentences, as sure as the intervals allow and no surer."""

from __future__ import annotations

from typing import Any

from bridge_distill.report import words

NOTABLE = 0.2
UNFINISHED = "This run is not finished: its student has not been tested yet."


def headline(summary: dict[str, Any]) -> str:
    """One sentence on what was paid, what the student answers, and how the first arm compares."""
    student = summary.get("models", {}).get("student")
    if student is None:
        return UNFINISHED
    size = summary.get("student", {}).get("parameters")
    name = f"{words.parameters(size)}-parameter student" if size else "student"
    sentence = f"{_paid(summary)}the {name} answers {words.percent(student['accuracy'])} {_shares(student)} of "
    sentence += words.counted(student["n"], "test question")
    arm = next((arm for arm in summary.get("arms", {}) if arm in summary.get("differences", {})), None)
    if arm is not None:
        sentence += f"; {_arm_clause(arm, summary)}"
    return words.capital(sentence) + "."


def comparisons(summary: dict[str, Any]) -> list[str]:
    """A sentence for the majority baseline and for every model that the student is compared with."""
    found = [_majority(summary)] if "majority" in summary and "student" in summary.get("models", {}) else []
    arms = summary.get("arms", {})
    for key, difference in summary.get("differences", {}).items():
        accuracy = words.percent(summary["models"][key]["accuracy"])
        subject = f"The arm “{key}” ({_made_from(arms[key])})" if key in arms else _PLAIN.get(key, f"The model “{key}”")
        found.append(f"{subject} answers {accuracy}{_unreadable(summary['models'][key])}: {outcome(difference)}.")
    return found


def _unreadable(model: dict[str, Any]) -> str:
    """Said where it explains a low score: a model that gives no answer is not one that answers wrongly."""
    share = model["parse_failures"] / model["n"]
    return f" (no readable answer to {words.percent(share)})" if share >= NOTABLE else ""


def outcome(difference: dict[str, Any]) -> str:
    """What a paired difference says about the student, and what it cannot say."""
    gap = _gap(difference)
    if difference["resolved"]:
        worse = {"points": -difference["points"], "low": -difference["high"], "high": -difference["low"]}
        return f"the student is {gap} better" if difference["points"] > 0 else f"the student is {_gap(worse)} worse"
    limit = difference["detectable"]
    reason = f"with {words.counted(difference['n'], 'question')} " + (
        f"only a difference of about {words.points(limit)} points or more would show reliably"
        if limit is not None
        else "and so few on which the two differ, no difference would show reliably"
    )
    return f"the difference of {gap} is not resolved; {reason}"


_PLAIN = {"base": "The untuned base", "assistant": "The assistant"}


def _paid(summary: dict[str, Any]) -> str:
    bill = summary.get("teacher", {})
    if not bill.get("questions"):
        return ""
    cost = f" ({words.money(bill['usd'], bill['usd_from_store'])})" if "usd" in bill else ""
    return f"for {words.counted(bill['questions'], 'paid question')}{cost} "


def _arm_clause(arm: str, summary: dict[str, Any]) -> str:
    accuracy = words.percent(summary["models"][arm]["accuracy"])
    made = summary["arms"][arm]
    if made.get("same_replies") and not made.get("assistant"):
        subject = "taught directly on the same replies, it answers"
    else:
        subject = f"the arm “{arm}” ({_made_from(made)}) answers"
    difference = summary["differences"][arm]
    doubt = "" if difference["resolved"] else ", which is not resolved"
    return f"{subject} {accuracy}, a difference of {_gap(difference)}{doubt}"


def _made_from(arm: dict[str, Any]) -> str:
    replies = "the same replies" if arm.get("same_replies") else "its own replies"
    return f"{replies}, {'with' if arm.get('assistant') else 'without'} an assistant"


def _majority(summary: dict[str, Any]) -> str:
    majority, student = summary["majority"], summary["models"]["student"]
    if student["low"] > majority:
        place = "the student is above that"
    elif student["high"] < majority:
        place = "the student is below that"
    else:
        place = "whether the student beats that is not resolved"
    return f"Always giving the most frequent answer scores {words.percent(majority)}: {place}."


def _shares(model: dict[str, Any]) -> str:
    return f"[{100 * model['low']:.0f}, {100 * model['high']:.0f}]"


def _gap(difference: dict[str, Any]) -> str:
    low, high = words.points(difference["low"]), words.points(difference["high"])
    return f"{words.points(difference['points'])} points [{low}, {high}]"
