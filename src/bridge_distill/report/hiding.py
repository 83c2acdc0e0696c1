"""What a page must not show: the values of secret settings, and where on a machine a report's folder lies."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

SECRETS = re.compile(r"api_?key|key_command|token$|secret|password", re.IGNORECASE)
SECRET_VALUE = re.compile(r"((?:api_?key|key_command|token|secret|password)\s*[=:]\s*).*", re.IGNORECASE | re.DOTALL)
HIDDEN = "(hidden)"
# An absolute path of two parts or more, not what follows the scheme or the host of a URL.
_PATH = re.compile(r"(?<![\w.:/~-])(?:/[^\s/:;,'\"()]+){2,}")


def shown_command(line: str, folder: Path) -> str:
    """A command without the values of secret settings, each of which reaches to the end of its argument.

    Absolute paths are relative to the report's ``folder``.
    """
    try:
        arguments = shlex.split(line)
    except ValueError:
        return HIDDEN
    open_ = (SECRET_VALUE.sub(rf"\1{HIDDEN}", argument) for argument in arguments)
    return shlex.join(_shown_argument(argument, folder) for argument in open_)


def shown_text(text: str, folder: Path) -> str:
    """Words, such as an error, with absolute paths relative to the report's ``folder``."""
    home = folder.resolve()
    # The folder's own path may hold spaces, at which another path in a text is taken to end.
    inside = text.replace(f"{home}{os.sep}", "")
    return _PATH.sub(lambda found: os.path.relpath(found[0], home), inside)


def shown_settings(value: Any, folder: Path) -> Any:
    """Plain settings with the values of secret ones hidden and absolute paths relative to the report's ``folder``."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if SECRETS.search(key) and item else shown_settings(item, folder) for key, item in value.items()
        }
    if isinstance(value, list):
        return [shown_settings(item, folder) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return os.path.relpath(value, folder.resolve())
    return value


def _shown_argument(argument: str, folder: Path) -> str:
    # The path is the whole argument, or what is set by one: data.train=/mnt/a=b.jsonl
    named = re.match(r"(?:[^/=]*=)*", argument)
    start = named.end() if named is not None else 0
    return argument[:start] + str(shown_settings(argument[start:], folder))
