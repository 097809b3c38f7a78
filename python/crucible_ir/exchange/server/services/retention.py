"""Retention: old changes and the ids of old requests are removed in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.records import Microseconds

#: The time between two removals, in seconds; less if changes are kept for less than ten times that.
REMOVAL_SECONDS: Final = 3600

_DAY: Final = 86_400_000_000

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.registration")


async def compact_history(store: Store, kept: Microseconds) -> int:
    """Remove the changes before the first one that is younger than a given age.

    Args:
        store: The store.
        kept: The age, in microseconds.

    Returns:
        The sequence number up to which changes are removed.

    Raises:
        StoreFailure: The store failed.
    """
    return await store.compact(await store.last_change_before(time.time_ns() // 1000 - kept))


class Retention:
    """Removes old changes and request ids periodically."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._request_age = settings.request_days * _DAY
        self._history_seconds = settings.history_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the background task."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop the background task."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        kept = self._history_seconds
        pause = REMOVAL_SECONDS if kept is None else min(REMOVAL_SECONDS, max(1.0, kept / 10))
        while True:
            try:
                await self._store.forget_requests(time.time_ns() // 1000 - self._request_age)
                if kept is not None:
                    await compact_history(self._store, round(kept * 1_000_000))
            except StoreFailure as error:
                _log.warning("cannot remove old request ids and changes, retrying later: %s", error)
            await asyncio.sleep(pause)
