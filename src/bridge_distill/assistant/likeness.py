"""Which texts are nearly the same: sets of word runs, and a shelf that finds alike ones without looking at all."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge_distill.wording import UNSPACED

Shingles = NDArray[np.uint64]
_WORDS = 3
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
# Of two texts that are s alike, 12 bands of 6 share one with 1 - (1 - s^6)^12: 97% at 0.8, 44% at 0.6, 1% at 0.3.
_BANDS, _ROWS = 12, 6
# Texts looked at for each band: bounds the time where many texts share a phrase and are still not alike.
_LOOKED_AT = 32
_MIX = np.random.default_rng(3).integers(1, 1 << 62, (2, _BANDS * _ROWS), dtype=np.uint64) * 2 + 1


def shingles(text: str) -> Shingles:
    """The distinct runs of three words of a text, each as a number, ascending; a shorter text is one run."""
    words = _WORD.findall(text.casefold())
    runs = {" ".join(words[at : at + _WORDS]) for at in range(max(len(words) - _WORDS + 1, 1))}
    return np.sort(np.array([_number(run) for run in runs], dtype=np.uint64))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Share of the runs of either text that both have."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


class Crowd:
    """Texts in memory, to which any other is compared exactly."""

    def __init__(self, texts: Sequence[Shingles]) -> None:
        self._sizes = np.array([len(text) for text in texts], dtype=np.int64)
        runs = np.concatenate([np.zeros(0, np.uint64), *texts])
        order = np.argsort(runs, kind="stable")
        self._runs, self._owners = runs[order], np.repeat(np.arange(len(texts)), self._sizes)[order]

    def nearest(self, text: Shingles) -> float:
        """The greatest likeness of a text to one of them; 0 where there is none."""
        if not len(self._sizes):
            return 0.0
        ends = [np.searchsorted(self._runs, text, side) for side in ("left", "right")]
        held = [self._owners[left:right] for left, right in zip(*ends, strict=True)]
        both = np.bincount(np.concatenate(held), minlength=len(self._sizes))
        return float((both / (self._sizes + len(text) - both)).max())


class Shelf:
    """Texts by their bands, in a file that is made anew and goes when it is closed."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path, self._rows = path, 0
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, runs BLOB)")
        self._database.execute("CREATE TABLE bands (key INTEGER, id INTEGER, PRIMARY KEY (key, id)) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, text: Shingles) -> None:
        """Enter a text."""
        self._rows += 1
        self._database.execute("INSERT INTO texts VALUES (?, ?)", (self._rows, text.tobytes()))
        entries = [(key, self._rows) for key in set(_bands(text))]
        self._database.executemany("INSERT INTO bands VALUES (?, ?)", entries)

    def holds(self, text: Shingles, alike: float) -> bool:
        """Whether some entered text is at least ``alike`` (found nearly always from 0.8 on)."""
        seen: set[int] = set()
        for key in set(_bands(text)):
            found = self._database.execute("SELECT id FROM bands WHERE key = ? LIMIT ?", (key, _LOOKED_AT)).fetchall()
            for (row,) in found:
                if row not in seen and jaccard(text, self._runs(row)) >= alike:
                    return True
                seen.add(row)
        return False

    def close(self) -> None:
        """Delete the file."""
        self._database.close()
        self._path.unlink()

    def _runs(self, row: int) -> Shingles:
        [runs] = self._database.execute("SELECT runs FROM texts WHERE id = ?", (row,)).fetchone()
        return np.frombuffer(runs, dtype=np.uint64)


def _bands(text: Shingles) -> list[int]:
    """A number for each band of the MinHash signature, which texts share by chance hardly ever."""
    mixed = text[:, None] * _MIX[0] + _MIX[1]
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX[1]
    signature = mixed.min(0).reshape(_BANDS, _ROWS)
    keys = [blake2b(bytes([band]) + row.tobytes(), digest_size=8).digest() for band, row in enumerate(signature)]
    return [int.from_bytes(key, "big", signed=True) for key in keys]


def _number(run: str) -> int:
    return int.from_bytes(blake2b(run.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
