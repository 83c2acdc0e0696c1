"""HTTP for the providers' SDKs: no redirects, enough connections, and replies of a bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.request import getproxies

import httpx2

from bridge_distill.teacher.providers import Unknown

MOST_BYTES = 8 * 1024 * 1024
BULK = ("/content", "/results")
_SPARE = 4
_IN_A_POOL = 4
_LONGEST_CONNECT = 10.0


def transport(connections: int, timeout: float) -> dict[str, Any]:
    """Arguments of an ``httpx2.AsyncClient`` that so many requests use at once.

    A redirect is not followed: it would carry the key to another address.
    """
    most = connections + _SPARE
    made: dict[str, Any] = {
        "follow_redirects": False,
        "limits": _limits(most),
        "timeout": timeouts(timeout),
        "event_hooks": {"response": [_bound]},
    }
    # A client with a transport of its own knows no proxy of the environment.
    return made if getproxies() else {**made, "transport": _Pools(most)}


def _limits(connections: int) -> httpx2.Limits:
    return httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)


class _Pools(httpx2.AsyncBaseTransport):
    """Connections in several small pools: for every request, a pool polls each of its idle connections."""

    def __init__(self, connections: int) -> None:
        context, limits = httpx2.create_ssl_context(), _limits(_IN_A_POOL)
        number = -(-connections // _IN_A_POOL)
        self._pools = [httpx2.AsyncHTTPTransport(verify=context, limits=limits) for _ in range(number)]
        self._busy = [0] * number

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request through the pool that is least busy."""
        pool = self._busy.index(min(self._busy))
        self._busy[pool] += 1
        try:
            response = await self._pools[pool].handle_async_request(request)
        except BaseException:
            self._busy[pool] -= 1
            raise
        response.stream = _Counted(response.stream, lambda: self._leave(pool))
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.aclose()

    def _leave(self, pool: int) -> None:
        self._busy[pool] -= 1


class _Counted(httpx2.AsyncByteStream):
    """A body that tells, once, when it is closed."""

    def __init__(self, body: Any, closed: Callable[[], None]) -> None:
        self._body, self._closed = body, closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

    async def aclose(self) -> None:
        """Close the body."""
        closed, self._closed = self._closed, _nothing
        closed()
        await self._body.aclose()


def _nothing() -> None:
    """What there is to do when a body is closed again."""


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
