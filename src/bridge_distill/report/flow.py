"""The run's stages as a chain of cards: what went in, what came out, and what it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.folder import EVALUATE, RunFolder
from bridge_distill.report.questions import ANSWER


@dataclass(frozen=True)
class Card:
    """One stage: its main number, what that counts, further facts, and the time and memory it took."""

    title: str
    number: str | None
    notes: list[str]
    cost: str


def flow(run: RunFolder, summary: dict[str, Any]) -> list[Card]:
    """The planned stages in order; a card without a number has not run yet."""
    told = {
        "data": ("Pool", _data),
        "score": ("Scored", _score),
        "select": ("Chosen", _select),
        "teach": ("Replies bought", _teach),
        "assistant": ("Assistant", _trained),
        "tutor": ("Explanations written", _tutor),
        ANSWER: ("New questions", _questions),
        "student": ("Student", _trained),
    }
    planned = run.plan
    cards = []
    for stage, (title, tell) in told.items():
        if stage in planned and run.folder(stage) is None:
            cards.append(Card(title, None, [], ""))
        elif stage in planned:
            number, notes = tell(stage, run, summary)
            cards.append(Card(title, number, notes, _cost([run.record(stage)])))
    return cards + _tested(run, summary)


def _data(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    questions = summary.get("questions", {})
    notes = ["training questions"]
    if "test" in questions:
        notes.append(f"{words.count(questions['test'])} more kept for the test")
    left_out = sum(questions.get("rejected", {}).values())
    left_out += sum(questions.get("beyond_limit", {}).values())
    return words.count(questions.get("train", 0)), [*notes, f"{words.counted(left_out, 'row')} left out"]


def _score(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    return words.count(summary.get("questions", {}).get("train", 0)), ["by the untuned assistant, at no cost"]


def _select(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    chosen, pool = summary.get("chosen", 0), summary.get("questions", {}).get("train")
    method = run.figures("select").get("method")
    notes = [f"{100 * chosen / pool:.1f}% of the pool"] if pool else []
    return words.count(chosen), notes + ([f"by {method}"] if method else [])


def _teach(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    bill = summary.get("teacher", {})
    notes = [words.money(bill["usd"])] if "usd" in bill else []
    if "input_tokens" in bill and "output_tokens" in bill:
        notes.append(f"{words.count(bill['input_tokens'])} tokens in, {words.count(bill['output_tokens'])} out")
    if bill.get("from_store"):
        notes.append(f"{words.count(bill['from_store'])} from the store, worth {words.money(bill['usd_from_store'])}")
    if bill.get("failed"):
        notes.append(f"{words.counted(bill['failed'], 'request')} failed")
    if bill.get("unasked"):
        cap = f"budget.{bill['ended_by']}" if bill.get("ended_by") else "budget"
        spent = f", {cap} spent" if bill.get("exhausted") else ""
        notes.append(f"{words.count(bill['unasked'])} left unasked{spent}")
    return words.count(bill.get("replies", 0)), notes + _kept(summary, "expert")


def _tutor(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    written = summary.get("rationales", {}).get("assistant", {}).get("written", 0)
    return words.count(written), ["by the assistant, at no cost", *_kept(summary, "assistant")]


def _questions(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    written = summary.get("new_questions", {}).get("written", 0)
    notes = ["at no cost", f"of {words.counted(written, 'text')} that were written"]
    return words.count(run.figures(stage)["joined"]), notes


def _trained(stage: str, run: RunFolder, summary: dict[str, Any]) -> tuple[str, list[str]]:
    figures = summary.get(stage, {})
    size = figures.get("parameters")
    notes = ["parameters"] if size else []
    if "examples" in figures and "steps" in figures:
        notes.append(f"{words.counted(figures['examples'], 'example')}, {words.counted(figures['steps'], 'step')}")
    if figures.get("trained_share", 1) < 1:
        notes.append(f"{100 * figures['trained_share']:.2g}% of them tuned")
    if "megabytes" in figures:
        notes.append(f"{figures['megabytes']:,.0f} MB on disk")
    return (words.parameters(size) if size else "trained"), notes


def _kept(summary: dict[str, Any], author: str) -> list[str]:
    found = summary.get("rationales", {}).get(author)
    return [f"{words.count(found['kept'])} kept"] if found else []


def _tested(run: RunFolder, summary: dict[str, Any]) -> list[Card]:
    stages = [stage for stage in run.plan if stage.startswith(EVALUATE)]
    finished = [run.record(stage) for stage in stages if run.folder(stage) is not None]
    if not stages:
        return []
    if not finished:
        return [Card("Test", None, [], "")]
    number = max(model["n"] for model in summary["models"].values()) if summary.get("models") else 0
    notes = ["questions", f"answered by {words.counted(len(finished), 'model')}"]
    return [Card("Test", words.count(number), notes, _cost(finished))]


def _cost(records: list[dict[str, Any]]) -> str:
    seconds = [record["seconds"] for record in records if record.get("seconds") is not None]
    peaks = [record["peak_memory_bytes"] for record in records if record.get("peak_memory_bytes") is not None]
    parts = [words.duration(sum(seconds))] if seconds else []
    return ", ".join(parts + ([words.memory(max(peaks))] if peaks else []))
