"""What a training with an assistant beside it did."""

from __future__ import annotations

from dataclasses import dataclass

from bridge_distill.models.train import Trained


@dataclass(frozen=True)
class Distilled(Trained):
    """``assistant_tokens`` are those that the assistant has read for it, ``written_tokens`` what the student wrote."""

    assistant_tokens: int = 0
    written_tokens: int | None = None
