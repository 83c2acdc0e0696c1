"""Replay: the rationales that the data file recorded, as if they were bought today."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_distill import prompts
from bridge_distill.answers import MARK
from bridge_distill.config import Teacher
from bridge_distill.records import Question
from bridge_distill.teacher.providers import providers
from bridge_distill.teacher.scripted import Scripted


@providers.register("replay")
class Replay(Scripted):
    """Looks ``recorded_rationale`` up by the question's text; ends with the recorded, else the gold answer."""

    def __init__(self, teacher: Teacher, questions: Sequence[Question]) -> None:
        super().__init__(teacher, questions)
        self._replies = {prompts.teacher(q, teacher.max_words)[-1]["content"]: _recorded(q) for q in questions}

    def reply(self, text: str, sample: int) -> str | None:
        """The same recording for every sample."""
        return self._replies.get(text)


def _recorded(question: Question) -> str | None:
    rationale = (question.recorded_rationale or "").strip()
    if not rationale:
        return None
    answer = question.recorded_answer or question.answer
    ends = MARK.lower() in rationale.splitlines()[-1].lower().replace("*", "")
    return rationale if ends or answer is None else prompts.completion(rationale, answer)
