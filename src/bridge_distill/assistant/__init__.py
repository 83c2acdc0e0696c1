"""The assistant: tuned on the paid rationales (apprentice), then it explains the whole pool (tutor).

New questions stand in ``questions``.
"""

from bridge_distill.assistant.apprentice import apprentice, check, identity
from bridge_distill.assistant.improvement import improve
from bridge_distill.assistant.sieve import check as check_filters
from bridge_distill.assistant.tutor import tutor

__all__ = ["apprentice", "check", "check_filters", "identity", "improve", "tutor"]
