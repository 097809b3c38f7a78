"""Rolls up feedback events in the background, so that summaries need not read every event."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange.store import Store

#: How often to look for events, in seconds; and how long to leave the roll-ups to another server
#: that has just rolled up the same events.
PAUSE_SECONDS: Final = 1.0
YIELD_SECONDS: Final = 5.0

#: While events arrive, roll-ups wait for this long, or until there are so many events: clients that
#: send events should not have to share the processor.
MOST_WAIT_SECONDS: Final = 10.0
MOST_WAITING_EVENTS: Final = 10_000

_log: Final = logging.getLogger(__name__)


class RollingUp:
    """A background task that rolls up the events of a store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task = BackgroundTask(self._run)

    def start(self) -> None:
        """Start the task."""
        self._task.start()

    async def close(self) -> None:
        """Stop the task."""
        await self._task.close()

    async def _run(self) -> None:
        last, rolled, rolled_at = 0, 0, time.monotonic()
        problem: str | None = None
        while True:
            pause = PAUSE_SECONDS
            try:
                seen, last = last, await self._store.last_event()
                waited = time.monotonic() - rolled_at
                if (
                    seen == last
                    or last - rolled >= MOST_WAITING_EVENTS
                    or waited >= MOST_WAIT_SECONDS
                ):
                    if not await self._catch_up():
                        pause = YIELD_SECONDS
                    rolled, rolled_at = last, time.monotonic()
                problem = None
            except Exception as error:
                # The same problem is logged once, however often it is tried again.
                if str(error) != problem:
                    problem = str(error)
                    is_expected = isinstance(error, StoreFailure)
                    _log.warning(
                        "cannot roll up feedback events, retrying: %s",
                        problem,
                        exc_info=None if is_expected else error,
                    )
            await asyncio.sleep(pause)

    async def _catch_up(self) -> bool:
        """Roll up all events; return whether no other server did so at the same time."""
        done: bool | None = True
        while done:
            done = await self._store.roll_up()
        return done is None
