"""What a curation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

GATES = ("format", "language", "answer", "length", "repetition")
WORDS = "words"
REMOVED, FUNNEL, MAP = "removed.jsonl", "funnel.json", "html"


@dataclass(frozen=True)
class Settings:
    """What to keep of ``pool``, ``budget`` traces (a count, or a share such as ``5%`` of its rows), and by which rules.

    ``answer`` are answer forms in the order in which they are tried, ``columns`` maps fields of a question
    to the pool's columns (``data.columns``), ``gates`` are those that judge a trace by its text.
    ``models`` are one or two local models that attempt each question, at most ``max_new_tokens`` long: a
    trace is too easy where ``easy`` of them are right. ``signals`` is a file, or a run, with columns by id, of
    which ``difficulty_by`` is the difficulty (the column ``difficulty`` where it is None and there is one).
    ``embeddings`` is a ``.npy`` file with a row for each of the pool's, or a column; without it, ``embedder`` makes
    vectors: ``words``, or one of ``score.embedder``, whose assistant is ``base``. ``options`` are those of the
    selector ``reason1k``.
    """

    pool: Path
    out: Path
    budget: int | str
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
    signals: Path | None = None
    difficulty_by: str | None = None
    embeddings: str | None = None
    embedder: str = WORDS
    base: str = "smollm2-135m"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int | None = None

    def beside(self, ending: str) -> Path:
        """The path of what is written beside ``out``: ``curated.funnel.json`` beside ``curated.jsonl``."""
        return self.out.parent / f"{self.out.stem}.{ending}"

    @property
    def written_beside(self) -> list[Path]:
        """Every file that is written beside ``out``."""
        return [self.beside(ending) for ending in (REMOVED, FUNNEL, MAP)]
