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


def shown_command(line: str) -> str:
    """A command without the values of secret settings, each of which reaches to the end of its argument."""
    try:
        arguments = shlex.split(line)
    except ValueError:
        return HIDDEN
    return shlex.join(SECRET_VALUE.sub(rf"\1{HIDDEN}", argument) for argument in arguments)


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
