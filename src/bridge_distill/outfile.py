"""Files that a user asks for: whole or not there at all, for their owner only, never over another by accident."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bridge_distill.errors import UserError


def check_out(
    path: Path, suffixes: tuple[str, ...], force: bool, source: Path, named: str, beside: Sequence[Path] = ()
) -> None:
    """Raise ``UserError`` for a file of another kind, or one that is there and must not be replaced.

    ``source`` is what is read (``named`` in words), which is never replaced; ``beside`` is what is written as well.
    """
    if path.suffix.lower() not in suffixes:
        raise UserError(f"--out {path}", "has no known suffix", f"end it with {' or '.join(suffixes)}")
    if path.is_dir():
        raise UserError(f"--out {path}", "is a folder", "give a file in it")
    if not path.parent.is_dir():
        raise UserError(f"--out {path}", f"{path.parent} is no folder", "make it first")
    for file in (path, *beside):
        which = "" if file == path else f"{file.name}, which is written beside it, "
        if file.resolve() == source.resolve():
            raise UserError(f"--out {path}", f"{which}is the {named} itself", "give another name")
        if file.exists() and not force:
            raise UserError(f"--out {path}", f"{which}is there already", "give another name, or add --force")


@contextmanager
def new_file(path: Path) -> Iterator[IO[str]]:
    """A text file to write; after the block it is whole and durable, after an exception as it was before."""
    partial = None
    try:
        handle, partial = tempfile.mkstemp(".partial", f".{path.name}.", path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(partial).replace(path)
    except OSError as error:
        cure = "give a place that you can write to, with space"
        raise UserError(f"--out {path}", f"cannot be written ({error.strerror})", cure) from error
    finally:
        if partial is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(partial).unlink()
