"""The assistant: tuned on the paid rationales (apprentice), then it explains the whole pool (tutor)."""

from bridge_distill.assistant.apprentice import apprentice
from bridge_distill.assistant.sieve import check
from bridge_distill.assistant.tutor import tutor

__all__ = ["apprentice", "check", "tutor"]
