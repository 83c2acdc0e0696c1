"""A run folder that holds test questions and what several models answered, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bridge_distill import artifacts
from bridge_distill.engine.rows import write_rows
from bridge_distill.records import Question, Verdict

MODELS = ("base", "assistant", "student")
HOSTILE = "</script><script>alert(1)</script><img src='https://evil.example/x.png' onerror=alert(2)>"
TEXTS = (
    HOSTILE,
    "x" * 1_000_000,
    "هل للمحكمة ولاية قضائية؟ \u202eabc",
    "🧑‍⚖️ 👩🏽‍🔬 court? \x00\x1b[31m \u2028 <!-- ",
    "a < b && c > d {{ 7 * 7 }} <b>bold</b>",
)
DOMAINS = ("contracts", "torts", HOSTILE)


def question(index: int, texts: Sequence[str]) -> Question:
    text = (
        texts[index] if index < len(texts) else f"Case {index}: does the court have jurisdiction over {index} parties?"
    )
    choices = ["yes", HOSTILE] if index == 4 else None
    return Question(f"q-{index}", text, "yes_no", choices, "yes" if index % 2 else "no", domain=DOMAINS[index % 3])


def is_right(model: str, index: int) -> bool:
    """Each model is right by a rule of its own, so that any two of them differ on some questions."""
    rules = {"base": index % 3 == 0, "assistant": index % 10 < 7, "student": index % 10 < 9, "direct": index % 2 == 0}
    return rules[model]


def is_readable(index: int) -> bool:
    """Whether a wrong answer can be read."""
    return index % 4 != 0


def verdict(model: str, index: int, texts: Sequence[str]) -> Verdict:
    right, gold = is_right(model, index), "yes" if index % 2 else "no"
    said = f"Both parties are citizens of state {index}, and the sum in dispute is above the limit.\n" * 3
    text = texts[index] if index < len(texts) else f"{said}Answer: {gold} says the {model}"
    answer = gold if right else HOSTILE if is_readable(index) else None
    return Verdict(f"q-{index}", model, text, answer, right, answer is not None, index % 50 == 0, 40)


def answered_run(path: Path, count: int, texts: Sequence[str] = TEXTS) -> Path:
    """Write a run called ``tested`` below ``path``, with one arm, ``direct``; returns its folder."""
    run = path / "tested"
    stages = {name: name for name in ("data", *(f"evaluate/{model}" for model in MODELS))}
    arm = {"data": "data", "evaluate/student": "arms/direct/evaluate/student"}
    for folder in (*stages.values(), arm["evaluate/student"]):
        (run / folder).mkdir(parents=True)
        (run / folder / "record.json").write_text(json.dumps({"stage": folder, "figures": {}}))
    facts = {"name": "tested", "config": {"seed": 0}, "plan": [*stages], "stages": stages, "arms": {"direct": arm}}
    (run / "run.json").write_text(json.dumps(facts))
    write_rows(run / "data" / artifacts.TEST, Question, [question(index, texts) for index in range(count)])
    folders = {model: f"evaluate/{model}" for model in MODELS}
    for model, folder in {**folders, "direct": arm["evaluate/student"]}.items():
        rows = [verdict(model, index, texts) for index in range(count)]
        write_rows(run / folder / artifacts.VERDICTS, Verdict, rows)
    return run
