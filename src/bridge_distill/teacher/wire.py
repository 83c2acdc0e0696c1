"""HTTP for the providers' SDKs: no redirects, enough connections, and replies of a bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2

from bridge_distill.teacher.providers import Unknown

MOST_BYTES = 8 * 1024 * 1024
BULK = ("/content", "/results")
_SPARE = 4
_LONGEST_CONNECT = 10.0


def transport(connections: int, timeout: float) -> dict[str, Any]:
    """Arguments of an ``httpx2.AsyncClient`` that so many requests use at once.

    A redirect is not followed: it would carry the key to another address.
    """
    most = connections + _SPARE
    return {
        "follow_redirects": False,
        "limits": httpx2.Limits(max_connections=most, max_keepalive_connections=most),
        "timeout": timeouts(timeout),
        "event_hooks": {"response": [_bound]},
    }


def timeouts(timeout: float) -> httpx2.Timeout:
    """So many seconds for every step of a request, and fewer to connect."""
    return httpx2.Timeout(timeout, connect=min(timeout, _LONGEST_CONNECT))


async def _bound(response: httpx2.Response) -> None:
    """Let a response be read up to ``MOST_BYTES``, counted after decompression; files of batches are exempt."""
    if response.is_success and response.request.url.path.endswith(BULK):
        return
    packed = httpx2.Response(response.status_code, headers=response.headers, stream=response.stream)
    response.stream = _Bounded(packed)
    response.headers.pop("content-encoding", None)


class _Bounded(httpx2.AsyncByteStream):
    """The unpacked body of a response, which ends with ``Unknown`` where it grows too large."""

    def __init__(self, packed: httpx2.Response) -> None:
        self._packed = packed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._packed.aiter_bytes():
            read += len(chunk)
            if read > MOST_BYTES:
                raise Unknown(f"the reply is larger than {MOST_BYTES >> 20} MiB")
            yield chunk

    async def aclose(self) -> None:
        """Close the connection where the body was not read to its end."""
        await self._packed.aclose()
