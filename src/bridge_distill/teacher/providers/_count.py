"""Prompt tokens counted by the model's own tokenizer, where the run file names one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bridge_distill.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Counter:
    """Counts a text's tokens; ``place`` is a ``tokenizer.json`` or its folder. Raises ``UserError``."""

    def __init__(self, place: str) -> None:
        self._tokenizer = _read(Path(place))

    def __call__(self, text: str) -> int:
        """Tokens of a text, special signs in it taken as they stand."""
        plain = text.encode("utf-8", "replace").decode("utf-8")
        return len(self._tokenizer.encode(plain, add_special_tokens=False).ids)


def _read(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    cure = "name a tokenizer.json of the model, or its folder"
    if not file.is_file():
        raise UserError("teacher.tokenizer", f"there is no {file}", cure)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise UserError("teacher.tokenizer", f"{file} is not a tokenizer", cure) from error
    # What it was trained with would cut or fill up the count.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
