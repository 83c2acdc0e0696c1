"""Figures in the words and units that people read."""

from __future__ import annotations

import re
from decimal import Decimal


def percent(share: float) -> str:
    """A share from 0 to 1 as a whole percentage, ``78%``."""
    return f"{100 * share:.0f}%"


def points(value: float) -> str:
    """Percentage points with a true minus sign; one digit after the point where the value is small."""
    rounded = round(value, 1) if abs(value) < 3 else round(value)
    return f"{rounded or 0:g}".replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def counted(value: int, noun: str) -> str:
    """A number and its noun, ``1 question`` or ``20 questions``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def capital(text: str) -> str:
    """A text with a capital at its start."""
    return text[:1].upper() + text[1:]


def parameters(value: float) -> str:
    """A number of parameters, ``14M``."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def money(*usd: str) -> str:
    """The sum of exact dollars: to the cent from one dollar on, below it to a hundredth of a cent."""
    amount = sum(map(Decimal, usd), Decimal(0))
    if amount >= 1:
        return f"${amount:,.2f}"
    digits = f"{amount:.4f}"
    return f"${digits[:4]}{digits[4:].rstrip('0')}"


def duration(seconds: float) -> str:
    """Seconds as ``0.4 s``, ``2 min 5 s`` or ``1 h 3 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def memory(size: float) -> str:
    """Bytes as megabytes or gigabytes (powers of ten)."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def unbroken(text: str) -> str:
    """A sentence whose intervals, such as ``[70, 85]``, do not break across lines."""
    return re.sub(r"\[(\S+), (\S+)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", text)


def excerpt(text: str, width: int = 140) -> str:
    """The first ``width`` characters of a text on one line."""
    line = " ".join(text[: 4 * width].split())
    return line if len(line) <= width and len(text) <= 4 * width else line[: width - 1].rstrip() + "…"
