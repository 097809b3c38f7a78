"""Retention: old changes and the ids of old requests are removed in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

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


#: The difference between two clocks beyond which one of them has jumped: a share of the time for
#: which changes are kept, between two bounds in seconds.
_JUMP_SHARE: Final = 0.1
_LEAST_JUMP_SECONDS: Final = 1.0
_MOST_JUMP_SECONDS: Final = 60.0


def elapsed_seconds() -> float:
    """Return the seconds since some time in the past; a suspended machine counts too."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Clock:
    """The time, as far as it can be trusted to remove what is old.

    Nobody can tell a clock that jumped ahead while the server was off from a server that was off
    for long. So time passes only while the server runs, from that of the latest change on.

    Args:
        latest: The time of the latest change in the store; ``None`` if there is none.
        now: Returns the current time.
        elapsed: Returns the seconds since some time in the past.
    """

    def __init__(
        self,
        latest: Microseconds | None,
        *,
        now: Callable[[], Microseconds] = lambda: time.time_ns() // 1000,
        elapsed: Callable[[], float] = elapsed_seconds,
    ) -> None:
        self._now = now
        self._elapsed = elapsed
        self._begun = now()
        self._begun_elapsed = elapsed()
        self._trusted = self._begun if latest is None else min(self._begun, latest)

    def time(self) -> Microseconds:
        """Return a time that is not later than the actual one, if the latest change is not."""
        return self._trusted + self._passed()

    def jumped_seconds(self) -> float:
        """Return by how many seconds the clock has jumped since the start."""
        return (self._now() - self._begun - self._passed()) / 1_000_000

    def _passed(self) -> Microseconds:
        return round((self._elapsed() - self._begun_elapsed) * 1_000_000)


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
            except StoreFailure as error:
                _log.warning("cannot remove what is old, retrying later: %s", error)
            await asyncio.sleep(pause)

    async def _remove(self, clock: Clock) -> None:
        """Remove what is too old, unless the clock has jumped."""
        kept = self._shortest
        share = _MOST_JUMP_SECONDS if kept is None else kept * _JUMP_SHARE
        jump = clock.jumped_seconds()
        if abs(jump) > max(_LEAST_JUMP_SECONDS, min(_MOST_JUMP_SECONDS, share)):
            _log.warning(
                "the clock has jumped by %.0f seconds: nothing old is removed;"
                " correct the clock, or restart the server to accept it",
                jump,
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
