"""Feedback events are deleted in the background when their time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.server.trusted_clock import Clock
from crucible_ir.exchange.store.audit_records import SERVER, AuditAction
from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange.server.personal_data.policies import KnownPolicies, Policies
    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.records import Microseconds

#: The time between two deletions, in seconds.
EXPIRY_SECONDS: Final = 3600

#: The most events to examine, and to delete, at a time: ingestion continues between them.
EXAMINED: Final = 5_000
DELETED: Final = 500

_DAY: Final = 86_400_000_000

_log: Final = logging.getLogger(__name__)


class EventExpiry:
    """Deletes the events that are older than their ``retention_days``, now and then.

    Args:
        store: The store.
        policies: The policies of the store.
        clock: Makes the clock from the time of the latest change.
    """

    def __init__(
        self,
        store: Store,
        policies: KnownPolicies,
        clock: Callable[[Microseconds | None], Clock] = Clock,
    ) -> None:
        self._store = store
        self._policies = policies
        self._new_clock = clock
        self._awake = asyncio.Event()
        self._task = BackgroundTask(self._run)

    def start(self) -> None:
        """Start the background task."""
        self._task.start()

    def wake(self) -> None:
        """Delete the expired events soon: a configuration changed."""
        self._awake.set()

    async def close(self) -> None:
        """Stop the background task."""
        await self._task.close()

    async def _run(self) -> None:
        clock: Clock | None = None
        while True:
            self._awake.clear()
            try:
                if clock is None:
                    clock = self._new_clock(await self._store.latest_time())
                policies = await self._policies.read()
                if policies.least_days is not None:
                    await self._delete(policies, clock)
            except Exception as error:
                is_expected = isinstance(error, StoreFailure)
                _log.warning(
                    "cannot delete expired feedback, retrying later: %s",
                    error,
                    exc_info=None if is_expected else error,
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(EXPIRY_SECONDS):
                    await self._awake.wait()

    async def _delete(self, policies: Policies, clock: Clock) -> None:
        """Delete the expired events, unless the clock has jumped."""
        if clock.has_jumped():
            _log.warning(
                "the clock has jumped by %.0f seconds: no expired feedback is deleted; correct the"
                " clock, or restart the server to accept it",
                clock.jumped_seconds(),
            )
            return
        now = clock.time()
        assert policies.least_days is not None, "some events expire"
        newest = now - policies.least_days * _DAY
        last: tuple[Microseconds, int] | None = None
        count = 0
        while events := await self._store.events_before(newest, after=last, limit=EXAMINED):
            last = (events[-1].time, events[-1].position)
            expired = []
            for event in events:
                days = policies.of(event.deployment_id).retention_days
                if days is not None and event.time < now - days * _DAY:
                    expired.append(event.position)
            for start in range(0, len(expired), DELETED):
                count += await self._store.delete_events(expired[start : start + DELETED])
        if count:
            counts = {"events": count}
            await self._store.audit(AuditAction.EXPIRED, SERVER, counts=counts)
            _log.info("deleted %d expired feedback events", count)
