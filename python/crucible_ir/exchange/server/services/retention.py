"""Retention: old changes and the ids of old requests are removed in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.server.trusted_clock import Clock
from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.audit_records import Actor
    from crucible_ir.exchange.store.records import Microseconds

#: The time between two removals, in seconds; less if changes are kept for less than ten times that.
REMOVAL_SECONDS: Final = 3600

_DAY: Final = 86_400_000_000

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.registration")


async def compact_history(store: Store, kept: Microseconds, actor: Actor) -> int:
    """Remove the changes before the first one that is younger than a given age.

    Args:
        store: The store.
        kept: The age, in microseconds.
        actor: Who compacts.

    Returns:
        The sequence number up to which changes are removed.

    Raises:
        StoreFailure: The store failed.
    """
    before = await store.last_change_before(time.time_ns() // 1000 - kept)
    return await store.compact(before, actor)


class Retention:
    """Removes old changes and request ids periodically.

    Attributes:
        last_removal: When that was last done, in seconds since 1970; ``None`` for never.

    Args:
        store: The store.
        settings: The settings of the services.
        clock: Makes the clock from the time of the latest change.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[Microseconds | None], Clock] = Clock,
    ) -> None:
        self._store = store
        self.last_removal: float | None = None
        self._new_clock = clock
        self._request_age = settings.request_days * _DAY
        self._history_seconds = settings.history_seconds
        self._audit_seconds = settings.audit_seconds
        self._task = BackgroundTask(self._run)

    def start(self) -> None:
        """Start the background task."""
        self._task.start()

    async def close(self) -> None:
        """Stop the background task."""
        await self._task.close()

    @property
    def _shortest(self) -> float | None:
        """The shortest time for which anything is kept, if it is not kept for ever."""
        times = (self._history_seconds, self._audit_seconds)
        return min((time for time in times if time is not None), default=None)

    async def _run(self) -> None:
        kept = self._shortest
        pause = REMOVAL_SECONDS if kept is None else min(REMOVAL_SECONDS, max(1.0, kept / 10))
        clock: Clock | None = None
        while True:
            try:
                if clock is None:
                    clock = self._new_clock(await self._latest_change())
                await self._remove(clock)
            except Exception as error:
                is_expected = isinstance(error, StoreFailure)
                _log.warning(
                    "cannot remove old changes, retrying later: %s",
                    error,
                    exc_info=None if is_expected else error,
                )
            await asyncio.sleep(pause)

    async def _remove(self, clock: Clock) -> None:
        """Remove what is too old, unless the clock has jumped."""
        kept = self._shortest
        if clock.has_jumped(kept):
            _log.warning(
                "the clock has jumped by %.0f seconds: nothing old is removed;"
                " correct the clock, or restart the server to accept it",
                clock.jumped_seconds(),
            )
            return
        now = clock.time()
        await self._store.forget_requests(now - self._request_age)
        if self._history_seconds is not None:
            before = await self._store.last_change_before(
                now - round(self._history_seconds * 1_000_000)
            )
            await self._store.compact(before)
        if self._audit_seconds is not None:
            await self._store.forget_audit(now - round(self._audit_seconds * 1_000_000))
        self.last_removal = time.time()

    async def _latest_change(self) -> Microseconds | None:
        position = await self._store.position()
        if not position:
            return None
        changes = await self._store.changes(position - 1)
        return changes.entries[-1].record.update_time if changes.entries else None
