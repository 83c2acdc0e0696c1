"""What became of the questions that were written at no cost, and how far their answers can be believed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bridge_distill.report import words
from bridge_distill.report.folder import RunFolder

WRITE, ANSWER = "questions/write", "questions/answer"


def new_questions(run: RunFolder, arm: str | None = None) -> dict[str, Any]:
    """Figures of the new questions of a run or an arm; empty where none were written, or an arm has the run's.

    ``answers`` holds those of the answers, with the label ``noise``, once they are there.
    """
    if arm is not None and run.shares(ANSWER, arm):
        return {}
    written, answered = run.figures(WRITE, arm), run.figures(ANSWER, arm)
    return written | ({"answers": answered} if written and answered else {})


def shown(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """For the run and each arm with new questions of its own: a row a step, and a sentence on label noise."""
    arms = {arm: made.get("new_questions") for arm, made in summary.get("arms", {}).items()}
    found = {None: summary.get("new_questions"), **arms}
    return [{"arm": arm, "rows": _rows(made), "noise": _noise(made)} for arm, made in found.items() if made]


def _rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [_row("Texts that the writer wrote", found["written"], found["kept"], found["refused"])]
    if "answers" in found:
        answers = found["answers"]
        rows.append(_row("New questions answered", answers["asked"], answers["joined"], answers["refused"]))
        rows.append(_row("Explanations of them", answers["written"], answers["kept"], _unkept(answers)))
    return rows


def _unkept(answers: dict[str, Any]) -> dict[str, int]:
    """Why explanations were not kept: what the first filter never saw had no agreement."""
    filters = answers["filters"]
    reasons = Counter({"no agreement": answers["written"] - filters[0]["in"]})
    for step in filters:
        reasons.update(step["reasons"])
    return {reason: number for reason, number in reasons.most_common() if number}


def _row(step: str, came: int, left: int, refused: dict[str, int]) -> dict[str, Any]:
    why = "; ".join(f"{words.count(number)} {reason}" for reason, number in refused.items())
    return {"step": step, "in": came, "removed": came - left, "out": left, "why": why or "none"}


def _noise(found: dict[str, Any]) -> str:
    if "answers" not in found:
        return "They have not been answered yet."
    noise = found["answers"]["noise"]
    if "unknown" in noise:
        return f"How many of the new answers are wrong is not known: {noise['unknown']}."
    low, high = f"{100 * noise['low']:.1f}", f"{100 * noise['high']:.1f}"
    return (
        f"Asked in the same way about {words.counted(noise['asked'], 'question')} of the pool that it had not learnt "
        "from, the assistant, taught by the paid replies alone, was confident of "
        f"{words.count(noise['confident'])}, and {words.count(noise['wrong'])} of those answers were wrong: "
        f"{100 * noise['share']:.1f}% [{low}, {high}]. New questions have no known answer; about as many of theirs "
        "can be expected to be wrong, or more, since some make less sense than the pool's."
    )
