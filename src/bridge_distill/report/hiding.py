"""What a page must not show: the values of secret settings."""

from __future__ import annotations

import re
import shlex
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


def without_secrets(value: Any) -> Any:
    """Plain settings, with the values of secret ones hidden."""
    if isinstance(value, dict):
        return {key: HIDDEN if SECRETS.search(key) and item else without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value
