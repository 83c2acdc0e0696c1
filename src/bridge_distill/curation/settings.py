"""What a curation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

GATES = ("format", "language", "answer", "length", "repetition")


@dataclass(frozen=True)
class Settings:
    """The ``number`` traces to keep of ``pool``, and by which rules.

    ``answer`` are answer forms in the order in which they are tried, ``columns`` maps fields of a question
    to the pool's columns (``data.columns``), ``gates`` are those that judge a trace by its text.
    ``models`` are one or two local models that attempt each question, at most ``max_new_tokens`` long: a
    trace is too easy where ``easy`` of them are right. ``embedder`` is ``words`` or one of
    ``score.embedder``, whose assistant is ``base``. ``quotas`` are the most traces of a domain, a count
    or a share such as ``10%`` of ``number``.
    """

    pool: Path
    out: Path
    number: int
    answer: Sequence[str] = ("text",)
    columns: Mapping[str, str] = field(default_factory=dict)
    gates: Sequence[str] = GATES
    max_foreign: float = 0.1
    unstated: Literal["drop", "keep"] = "drop"
    min_words: int = 10
    max_words: int | None = None
    max_repeated: float = 0.3
    models: Sequence[str] = ()
    easy: Literal["any", "all"] = "any"
    max_new_tokens: int = 256
    embedder: str = "words"
    base: str = "smollm2-135m"
    clusters: int = 50
    quotas: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def beside(self, ending: str) -> Path:
        """The path of what is written beside ``out``: ``curated.funnel.json`` beside ``curated.jsonl``."""
        return self.out.with_name(f"{self.out.stem}.{ending}")
