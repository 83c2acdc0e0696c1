"""New questions: a writer learns the pool's manner, a guard refuses what is near others, agreement answers."""

from bridge_distill.assistant.questions.answer import answer_questions, panel
from bridge_distill.assistant.questions.write import write_questions
from bridge_distill.assistant.questions.writer import tune_writer, writer_identity

__all__ = ["answer_questions", "panel", "tune_writer", "write_questions", "writer_identity"]
