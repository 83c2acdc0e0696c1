"""Supervised fine-tuning: examples become batches of tokens, and batches steps of an optimizer."""

from __future__ import annotations

from bridge_distill.models.train.examples import Example
from bridge_distill.models.train.objective import Objective
from bridge_distill.models.train.trainer import Training
from bridge_distill.models.train.tune import Trained, Validation, fine_tune

__all__ = ["Example", "Objective", "Trained", "Training", "Validation", "fine_tune"]
