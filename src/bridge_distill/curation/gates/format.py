"""Format: the trace is there, whole, and needs nothing but text."""

from __future__ import annotations

import re

from bridge_distill.answers import has_mark
from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.settings import Settings

_BROKEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffd]")
_PICTURE = re.compile(r"!\[|<img\b|\[asy\]|\\includegraphics")
# Capitals and what follows an answer's mark are left alone: a trace may well end with the choice A.
_UNFINISHED = re.compile(r"(?:[,;:(\[{+=]|\b(?:and|or|the|a|an|of|to|is|so|because|that|with))\Z")
_END = 16  # longer than any of those words
_PAIRS = (("\\begin{", "\\end{"), ("<think>", "</think>"))


@gates.register("format")
def format_(trace: Trace, settings: Settings) -> str | None:
    """Refuse a trace that is missing, garbled, cut off in a sentence, or that refers to a picture."""
    text = trace.rationale.strip()
    if not text:
        return "no rationale"
    if _BROKEN.search(text) or _BROKEN.search(trace.question.text):
        return "broken characters"
    if _PICTURE.search(text.lower()) or _PICTURE.search(trace.question.text.lower()):
        return "refers to a picture"
    if text.count("```") % 2 or any(text.count(start) != text.count(end) for start, end in _PAIRS):
        return "a block that is not closed"
    return "cut off" if _UNFINISHED.search(text[-_END:]) and not has_mark(text.splitlines()[-1]) else None
