"""The latest changes of an exchange, which has no list of them: a watch of the recent past."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.exchange.client.results import Gap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crucible_ir.exchange import AsyncExchangeClient, AsyncWatch, Change, Record

#: The interval of signs of life in milliseconds, by which a watch learns that nothing follows.
_HEARTBEAT_MS: Final = 100
#: How often the watch is asked how far it is, in seconds.
_POLL_SECONDS: Final = 0.02
#: The most records of one reading.
_MAX_RECORDS: Final = 2000


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """A part of the history.

    Attributes:
        records: The changes that the reader may see, the latest first.
        after: The sequence number after which it begins.
        through: The sequence number through which it extends.
        latest: The latest sequence number of the exchange.
        gap: The changes that the exchange has no longer; ``None`` if there are none.
    """

    records: list[Record]
    after: int
    through: int
    latest: int
    gap: Gap | None


async def latest_sequence(client: AsyncExchangeClient) -> int:
    """Return the latest sequence number.

    Raises:
        ExchangeError: The call failed.
    """
    async with client.watch(None, heartbeat_ms=_HEARTBEAT_MS, max_outage=0) as watch:
        return watch.sequence


async def recent_changes(
    client: AsyncExchangeClient,
    span: int,
    *,
    before: int | None = None,
    types: Sequence[str] = (),
) -> RecentChanges:
    """Return the changes in a span of sequence numbers.

    Args:
        client: The client of the reader.
        span: The length of the span.
        before: The sequence number before which it ends; ``None`` for the end of the history.
        types: The types of documents; empty for all.

    Raises:
        ExchangeError: A call failed.
    """
    latest = await latest_sequence(client)
    through = latest if before is None else max(0, min(latest, before - 1))
    after = max(0, through - span)
    records: deque[Record] = deque(maxlen=_MAX_RECORDS)
    gap: Gap | None = None
    if after < through:
        watch = client.watch(after, types=types, heartbeat_ms=_HEARTBEAT_MS, max_outage=0)
        async for event in _until(watch, through):
            if isinstance(event, Gap):
                gap = event
            elif event.record.sequence <= through:
                records.appendleft(event.record)
    return RecentChanges(list(records), after, through, latest, gap)


async def _until(watch: AsyncWatch, through: int) -> AsyncIterator[Change | Gap]:
    """Yield the events of a watch until it is complete up to a sequence number."""
    waiting: asyncio.Future[Change | Gap] | None = None
    try:
        while watch.sequence < through:
            waiting = waiting or asyncio.ensure_future(anext(watch))
            done, _ = await asyncio.wait({waiting}, timeout=_POLL_SECONDS)
            if done:
                event, waiting = waiting.result(), None
                yield event
    finally:
        await watch.close()
        if waiting is not None:
            waiting.cancel()
            with suppress(asyncio.CancelledError, ExchangeError, StopAsyncIteration):
                await waiting
