"""The run files of ``apprentice.py``: one a cell, and one for all rounds of improvement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from apprentice_sets import PRACTICE, Sizes, sources
from bases import BASE, shallow
from bridge_distill.engine.fingerprint import canonical
from bridge_distill.runfile import RunFile, read_run
from cells import Cell

PLAIN, HIERARCHICAL = "plain", ("joint", "tasks", "staged")
IMPROVED = ("improved 1", "improved 2", "improved 3")
# The most tokens that are written to a question of a set: what its longest rationales need, laid out in levels too.
TOKENS, LONG = {"tatqa_arith": 64, "legal_diversity": 224}, 160


@dataclass(frozen=True)
class Scale:
    """How large a cell is, and settings of its run file beside the defaults.

    ``ceiling`` are those of the assistant that learns from twenty times as many rationales, in fewer passes;
    ``tokens`` limits what is written, where that is not as its set needs.
    """

    sizes: Sizes = field(default_factory=Sizes)
    assistant: dict[str, Any] = field(default_factory=dict)
    ceiling: dict[str, Any] = field(default_factory=lambda: {"epochs": 3})
    improve: dict[str, Any] = field(default_factory=lambda: {"rounds": len(IMPROVED), "samples": 2})
    tokens: int | None = None


def rounds_of(method: str) -> list[str]:
    """The stages whose assistants are tested, the method's own last: for a round of improvement all up to it."""
    if method not in IMPROVED:
        return ["assistant"]
    stages = [*(f"improve-{number}/assistant" for number in range(1, len(IMPROVED))), "assistant"]
    return stages[: IMPROVED.index(method) + 1]


def run_file(cell: Cell, scale: Scale, work: Path) -> RunFile:
    """The run file of a cell, written to the work folder and read as a user's is.

    Its name holds a digest of it, so that no run goes on from one that was set otherwise.
    """
    data = sources(cell.set, cell.seed, scale.sizes, work / f"{cell.set}-{cell.seed}-{scale.sizes.pool}")
    provider = "expert" if cell.set.startswith(PRACTICE) else "replay"
    tokens = scale.tokens or TOKENS.get(cell.set, LONG)
    settings: dict[str, Any] = {
        "seed": cell.seed,
        "runs": str(work / "runs"),
        "data": data,
        "budget": {"queries": f"{cell.share:.0%}"},
        # A random choice reads no score: a full pass over the pool would be for nothing.
        "score": {"base": shallow(work, 1), "signals": ["length"], "difficulty": {"prompt_tokens": 1}},
        "select": {"method": "random"},
        "teacher": {"provider": provider, "max_words": 120, "prices": {provider: {"input": 0, "output": 0}}},
        "assistant": {"base": BASE} | (scale.ceiling if cell.share == 1 else scale.assistant),
        "tutor": {"max_new_tokens": tokens},
        "evaluate": {"models": ["assistant"], "max_new_tokens": tokens},
    }
    for section, more in _method(cell, scale.improve | {"max_new_tokens": tokens}).items():
        settings[section] |= more
    method = "improved" if cell.method in IMPROVED else cell.method
    digest = hashlib.sha256(canonical(settings).encode()).hexdigest()[:8]
    name = f"{cell.set}-{cell.share:g}-{method}-{cell.seed}-{digest}"
    file = work / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"name": name} | settings, sort_keys=False))
    return read_run(file)


def _method(cell: Cell, improve: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a method sets; the recorded experts wrote flat rationales, which get the strategy of their kind."""
    if cell.method in HIERARCHICAL:
        made_up = cell.set.startswith(PRACTICE)
        asked = {"teacher": {"trace": "hierarchical"}} if made_up else {}
        found = {} if made_up else {"strategies": "clusters"}
        return {**asked, "assistant": {"levels": cell.method} | found}
    return {"assistant": {"improve": improve}} if cell.method in IMPROVED else {}
