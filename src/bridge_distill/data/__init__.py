"""Sources in, frozen splits out."""

from __future__ import annotations

from bridge_distill.data.freeze import digest, freeze, read_questions

__all__ = ["digest", "freeze", "read_questions"]
