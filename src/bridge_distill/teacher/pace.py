"""How fast requests may leave: requests and tokens a minute, and a pause for all when the provider asks for one."""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

from bridge_distill.config import Teacher
from bridge_distill.errors import UserError

MINUTE = 60.0
LONGEST_PAUSE = 60.0


class Pace:
    """A leaky bucket for each limit; make one inside the event loop.

    Requests leave evenly. The bucket of tokens holds ``most_tokens``, the largest worst case of a
    request, and leaks what the limit leaves beside it, so that no minute sees more than the limit.
    Raises ``UserError`` where one request alone is above it.
    """

    def __init__(self, teacher: Teacher, most_tokens: int) -> None:
        self._requests = self._tokens = None
        if teacher.requests_per_minute is not None:
            self._requests = AsyncLimiter(1, MINUTE / teacher.requests_per_minute)
        if teacher.tokens_per_minute is not None:
            leak = teacher.tokens_per_minute - most_tokens
            if leak < 1:
                problem = f"{teacher.tokens_per_minute} is not above the {most_tokens} tokens that one request may use"
                raise UserError("teacher.tokens_per_minute", problem, "raise it, or lower teacher.max_output_tokens")
            self._tokens = AsyncLimiter(most_tokens, MINUTE * most_tokens / leak)
        self._held_until = 0.0
        self._turn = asyncio.Lock()

    async def wait(self, tokens: int) -> None:
        """Return when a request of at most ``tokens`` may leave, and let it leave at once: a pause is over by then."""
        # One at a time: those that had their share of a limit already would all leave when a pause ends.
        async with self._turn:
            if self._requests is not None:
                await self._requests.acquire()
            if self._tokens is not None:
                await self._tokens.acquire(tokens)
            loop = asyncio.get_running_loop()
            while (left := self._held_until - loop.time()) > 0:
                await asyncio.sleep(left)

    def hold(self, seconds: float) -> None:
        """Let no request leave for some seconds: the provider said so to one, and means all."""
        until = asyncio.get_running_loop().time() + min(seconds, LONGEST_PAUSE)
        self._held_until = max(self._held_until, until)
