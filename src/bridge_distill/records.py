"""The rows that flow from stage to stage, each stored as Parquet, one row a record.

Rows that a stage drops stay on disk with their reason (``kept``/``chosen`` and ``reason``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

EXPERT = "expert"
ASSISTANT = "assistant"
HINTED = "assistant with a hint"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the domain.

    ``answer`` is the gold answer in the canonical spelling of ``form`` (see ``answers``), or None
    where it is not known. ``low``/``high`` bound the accepted interval of a number. The
    ``recorded_*`` fields hold what a recorded expert once replied; only ``replay`` reads them.
    """

    id: str
    text: str
    form: str
    choices: list[str] | None = None
    answer: str | None = None
    low: float | None = None
    high: float | None = None
    domain: str | None = None
    recorded_rationale: str | None = None
    recorded_answer: str | None = None


def without_gold(question: Question) -> Question:
    """The question as if its answer were not known: nothing in it says what is right."""
    return replace(question, answer=None, low=None, high=None, recorded_rationale=None, recorded_answer=None)


@dataclass(frozen=True, slots=True)
class Score:
    """How difficult the untuned assistant found a training question, from 0 to 1.

    The file has a further column for each signal that was measured (``artifacts.signals``).
    """

    question_id: str
    difficulty: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether, when (``rank``, from 0) and why a training question was chosen for the teacher."""

    question_id: str
    chosen: bool
    rank: int | None
    gain: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One paid reply of the teacher; ``usd_micros`` is exact money in millionths of a dollar.

    ``served_model`` and ``reply_id`` are what the provider called the model that answered and the
    reply, ``""`` where it did not say.
    """

    question_id: str
    sample: int
    request_hash: str
    provider: str
    model: str
    text: str
    finish: str
    input_tokens: int
    output_tokens: int
    usd_micros: int
    stored: bool
    served_model: str = ""
    reply_id: str = ""


@dataclass(frozen=True, slots=True)
class Rationale:
    """An explanation of a question, by the expert or the assistant; ``reason`` says why not kept.

    ``text`` ends with the answer line that ``prompts.completion`` writes and ``answer`` is that
    answer in canonical spelling (None if it could not be read). ``quality`` is what its writer thought of
    it, in nats, at most 0 (see ``assistant.quality``; None for the expert's). ``strategy`` is the first level of a
    hierarchical trace, which the text begins with, None for a flat one; ``note`` says of a trace that was
    asked to be hierarchical what was mended or why it is flat, None where flat was asked for.
    """

    question_id: str
    sample: int
    author: str
    text: str
    answer: str | None
    kept: bool
    reason: str
    quality: float | None = None
    strategy: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that was written to be a new question; ``reason`` says why it is not asked.

    ``form``, ``listed`` (choices stand below it) and ``domain`` are what was asked for; a kept draft's question has the
    id ``question_id``, which is derived from the text.
    """

    question_id: str
    text: str
    form: str
    listed: bool
    domain: str | None
    kept: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Consensus:
    """The answer that most samples give to a question, the share of the samples that do, and whether it is believed.

    ``answer`` is in canonical spelling, None where no sample gives one.
    """

    question_id: str
    answer: str | None
    agreement: float
    kept: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A graded prediction of one model for one test question; ``tokens`` counts the output.

    Under a guide those taken back and outvoted count too, and ``acts`` names each of its interventions in order;
    None without a guide.
    """

    question_id: str
    model: str
    text: str
    answer: str | None
    correct: bool
    parsed: bool
    truncated: bool
    tokens: int
    acts: list[str] | None = None
