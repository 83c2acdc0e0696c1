"""An explanation as the assistant wrote it, and the filters that say which of them a student should see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bridge_distill.config import Explaining
from bridge_distill.records import Question
from bridge_distill.registry import Registry

CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class Sample:
    """One explanation of a question; ``answer`` is None where none can be read.

    ``finished`` is False where the token limit cut it off; ``log_probability`` is the mean over its tokens
    in nats, ``agreement`` the share of the question's samples that give this answer (0 without one). ``acts`` names
    each intervention of a guide in order, None without one.
    """

    question_id: str
    sample: int
    text: str
    answer: str | None
    finished: bool
    log_probability: float
    agreement: float
    acts: list[str] | None = None


class Filter(ABC):
    """One test of explanations, made once for a whole pool.

    ``rank`` is where it stands among the filters: a run file says which are used, not in what order. One that
    compares a sample with the ``whole_pool`` hears of every sample before the first is judged.
    """

    rank: ClassVar[int]
    whole_pool: ClassVar[bool] = False

    def __init__(self, settings: Explaining, scratch: Path) -> None:
        """``scratch`` is a folder for what has to be known of the rows before."""
        self.settings, self.scratch = settings, scratch

    def survey(self, sample: Sample) -> None:
        """Hear of a sample of the pool, whatever becomes of it; only for a filter of the ``whole_pool``."""
        return

    @abstractmethod
    def refuse(self, question: Question, samples: Sequence[Sample]) -> Sequence[str | None]:
        """Why each of a question's samples is not used, in words that rows can be counted by, or None.

        ``samples`` are those that every filter before has let through: at least one.
        """

    def settle(self, kept: Sequence[Sample]) -> None:
        """Hear which samples every filter let through, before the next question comes."""
        return

    def close(self) -> None:
        """Let go of what was opened."""
        return


filters: Registry[type[Filter]] = Registry("filter", "bridge_distill.assistant.filters")
