"""The address of a provider: checked before anything is sent, and free of secrets."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from bridge_distill.errors import UserError

_PLACE = "teacher.base_url"


def host_of(url: str, default: str) -> str:
    """The host of an endpoint.

    Raises ``UserError``, which does not repeat the address where it holds a password or a query: the
    address is written into the run's description.
    """
    cure = f"write one such as {default}"
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(_PLACE, "is not an http or https URL", cure)
    if "@" in parts.netloc:
        raise UserError(_PLACE, "holds a user name or a password", "name the key's variable in teacher.key_env instead")
    if "?" in url or "#" in url:
        raise UserError(_PLACE, "holds a query or a fragment", cure)
    return parts.hostname


def _split(url: str) -> SplitResult | None:
    if re.search(r"[\s\x00-\x1f\x7f\\]", url):
        return None
    try:
        parts = urlsplit(url)
        return None if parts.port == 0 else parts
    except ValueError:
        return None
