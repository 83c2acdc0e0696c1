"""What the batch APIs share: looking for a batch whose id was lost, and when it is too early to give it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bridge_distill.errors import UserError
from bridge_distill.teacher.providers import Unknown

T = TypeVar("T")
# A batch is told by its name, so this only bounds the search; a clock in the wrong time zone must not hide one.
CLOCKS_APART = timedelta(days=2)
_MOST_LOOKED_AT = 10_000


async def made_since(
    batches: AsyncIterator[T], made: Callable[[T], datetime], since: datetime, apart: timedelta = CLOCKS_APART
) -> AsyncIterator[T]:
    """The batches made after ``since``, of a listing that begins with the newest.

    Ends early at two older ones that do grow older, so that a listing in another order is read to its
    end. Raises ``Unknown`` where the listing does not end.
    """
    before: datetime | None = None
    looked = 0
    async for batch in batches:
        looked += 1
        if looked > _MOST_LOOKED_AT:
            raise Unknown("the provider lists too many batches to look through", retry=False)
        at = made(batch)
        if at >= since - apart:
            before = None
            yield batch
        elif before is not None and at < before:
            return
        else:
            before = at


def surely_none(since: datetime, poll_seconds: float) -> None:
    """Return where a batch sent at ``since`` would be listed by now; raises ``Unknown`` before.

    A submission whose answer was lost may still be under way inside the provider.
    """
    if datetime.now(UTC) - since < timedelta(seconds=2 * poll_seconds):
        raise Unknown("no such batch is listed yet", wait=poll_seconds)


def no_api(host: str) -> UserError:
    """What to tell the user where an endpoint has no batch API."""
    return UserError("teacher.batch", f"{host} has no batch API", "set teacher.batch: false")


def gone(host: str, batch: str) -> UserError:
    """What to tell the user where the provider does not know a batch that was submitted."""
    cure = "set it, and the key, as they were then, or see bridge-distill ledger reconcile --give-up"
    return UserError("teacher.base_url", f"{host} has no batch {batch}, which an earlier run submitted", cure)
