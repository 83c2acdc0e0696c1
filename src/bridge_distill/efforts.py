"""Operations of the assistant's stages, by a model's size and the tokens that it reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge_distill import improving
from bridge_distill.assistant.lessons import repeats_of
from bridge_distill.config import Assistant

READING_SHARE = 0.8
WRITING_SHARE = 0.6
TRAINING_SHARE = 0.6


@dataclass(frozen=True)
class Effort:
    """Operations of one assistant of ``size`` weights, over the shares of the GEMM rate that each kind of work reaches.

    ``prompt`` and ``reply`` are mean tokens. Shares are those that the 135M base reached on two AVX2 cores
    (docs/experiments.md).
    """

    learner: Assistant
    size: float
    prompt: float
    reply: float

    def tuned(self, examples: float, epochs: float) -> float:
        """Learning rationales; separate tasks read the question three times, stages read everything twice."""
        tokens = {"tasks": self._in_tasks, "staged": 2 * self._in_one}.get(self.learner.levels, self._in_one)
        return 6 * self.size * epochs * examples * tokens / TRAINING_SHARE

    def explained(self, questions: float, samples: int = 1) -> float:
        """Writing explanations."""
        tokens = self._in_tasks if self.learner.levels == "tasks" else self._in_one
        return 2 * self.size * questions * samples * tokens / WRITING_SHARE

    def read_along(self, taught: Sequence[tuple[str, int]], texts: float) -> float:
        """Reading for a student whose phases are ``taught`` so many tokens: where grades are stored each text once."""
        each = {"distil": lambda _: texts * self._in_one, "on_policy": float}
        tokens = sum(each[phase](learnt) for phase, learnt in taught if phase in each)
        return 2 * self.size * tokens / READING_SHARE

    def assistant(self, paid: float, pool: float) -> dict[str, float]:
        """Every stage from the last paid reply to the assistant, at the most: every question is missed, and joins."""
        chosen, others = self.learner.improve, max(pool - paid, 0)
        asked = self.explained(others, chosen.samples) * (1 + chosen.hints)
        found = dict.fromkeys(improving.explaining(self.learner), asked)
        own = others * min(chosen.keep_best or chosen.samples, chosen.samples)
        first, *later = improving.tuned_names(self.learner)
        found[first] = self.tuned(paid * (1 + (chosen.hints and bool(later))), self.learner.epochs)
        for name in later:
            times = repeats_of(self.learner, paid, own) + (chosen.hints and name != later[-1]) if paid else 0
            found[name] = self.tuned(paid * times + own, chosen.epochs)
        return found

    @property
    def _in_one(self) -> float:
        return self.prompt + self.reply

    @property
    def _in_tasks(self) -> float:
        # What a level writes is in the prompts of those after it: all of it is read about once more.
        return 3 * self.prompt + 2 * self.reply
