"""Turn a budget of questions to an expensive expert model into a tiny model that you own.

``bridge_distill.select`` chooses rows of plain arrays, without any of the rest: see ``docs/selection.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge_distill.selection.arrays import select

__version__ = "0.1.0"
__all__ = ["__version__", "select"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that ``--help`` answers at once."""
    if name != "select":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bridge_distill.selection.arrays import select

    return select
