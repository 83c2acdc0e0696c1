"""The manner of a pool: of which kinds its questions are, and how the text of one is read back."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bridge_distill import prompts
from bridge_distill.answers import has_mark
from bridge_distill.answers.text import normalised
from bridge_distill.records import Question

_FEWEST_CHOICES = 2
_BROKEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be asked of a writer: an answer form, choices ``listed`` below the question or not, and a domain."""

    form: str
    listed: bool
    domain: str | None


def kind_of(question: Question) -> Kind:
    """The kind of a question."""
    return Kind(question.form, bool(prompts.listed(question)), question.domain)


def read(text: str, kind: Kind) -> Question | None:
    """The question that ``prompts.body`` writes as ``text``, or None: choices must parse back, and differ."""
    name = f"new-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    if has_mark(text) or _BROKEN in text:
        return None
    lines = text.split("\n")
    start = max((at for at, line in enumerate(lines) if line.startswith("A) ")), default=0) if kind.listed else None
    choices = None if start is None else [line[3:] for line in lines[start:]]
    if choices is not None and len(set(map(normalised, choices))) < max(len(choices), _FEWEST_CHOICES):
        return None
    made = Question(name, "\n".join(lines[:start]), kind.form, choices, domain=kind.domain)
    sound = all(part and part == part.strip() for part in (made.text, *(choices or [])))
    return made if sound and prompts.body(made) == text else None


def readable(pool: Iterable[Question]) -> Iterator[tuple[str, Kind]]:
    """Text and kind of each question of a pool that can be read back as what it is: those that teach a writer."""
    for question in pool:
        text, kind = prompts.body(question), kind_of(question)
        made = read(text, kind)
        if made is not None and (made.text, made.choices or []) == (question.text, prompts.listed(question)):
            yield text, kind


class Manner:
    """How often each kind stands in a pool, and how each is asked for."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        counts = Counter(kinds)
        self._kinds: Sequence[Kind] = list(counts)
        self._ends = np.cumsum([0, *counts.values()])[1:]
        self._alone = len({(kind.form, kind.listed) for kind in counts}) < 2

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def prompt(self, kind: Kind) -> str:
        """How a question of a kind is asked for; the form is named where the pool has several."""
        form = f"{kind.form} out of choices" if kind.listed else kind.form
        return prompts.new_question(kind.domain, None if self._alone else form)

    def drawn(self, seed: int, place: int) -> Kind:
        """The kind of the text written at a place: as often as it stands in the pool."""
        at = int(np.random.default_rng([seed, place, 1]).integers(len(self)))
        return self._kinds[int(np.searchsorted(self._ends, at, side="right"))]
