"""The monitor of the store: it checks all the time whether the store answers, and measures it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from crucible_ir.exchange.background import BackgroundTask

_log: Final = logging.getLogger(__name__)

#: The time between two checks of the store, and the time that one may take, in seconds.
CHECK_SECONDS: Final = 1.0
CHECK_TIMEOUT_SECONDS: Final = 1.0

#: The least time between two measurements, in seconds.
MEASURE_SECONDS: Final = 15.0


async def _nothing(_: bool) -> None:
    """Report to nobody."""


class StoreMonitor:
    """Checks and measures the store, apart from the calls of the server.

    Args:
        check: Raises an exception if the store cannot be used.
        report: Called at the start and after each change, with whether the store can be used;
            ``None`` to do without.
        measure: Measures the store; ``None`` to do without.

    Attributes:
        is_up: Whether the store answered the last check.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        report: Callable[[bool], Awaitable[None]] | None,
        measure: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._check = check
        self._report = report or _nothing
        self._measure = measure
        self._next_measurement = 0.0
        self.is_up = True
        self._started = asyncio.Event()
        self._task = BackgroundTask(self._run)

    async def start(self) -> None:
        """Check the store once, and then from time to time."""
        await self._report(self.is_up)
        self._task.start()
        await self._started.wait()

    async def close(self) -> None:
        """Stop checking."""
        await self._task.close()

    async def _run(self) -> None:
        while True:
            checking = asyncio.ensure_future(self._check())
            try:
                await asyncio.wait({checking}, timeout=CHECK_TIMEOUT_SECONDS)
                if not checking.done():
                    await self._set(f"no answer in {CHECK_TIMEOUT_SECONDS:g} seconds")
                    self._started.set()
                # A check that hangs is not followed by others, which would hang as well.
                await checking
            except Exception as error:
                await self._set(str(error) or type(error).__name__)
            else:
                await self._set(None)
                await self._measure_if_due()
            finally:
                checking.cancel()
            self._started.set()
            await asyncio.sleep(CHECK_SECONDS)

    async def _measure_if_due(self) -> None:
        now = time.monotonic()
        if self._measure is not None and now >= self._next_measurement:
            self._next_measurement = now + MEASURE_SECONDS
            try:
                await self._measure()
            except Exception as error:
                _log.warning("cannot measure the store: %s", error)

    async def _set(self, problem: str | None) -> None:
        is_up = problem is None
        if is_up == self.is_up:
            return
        self.is_up = is_up
        if is_up:
            # It may be another one than before.
            self._next_measurement = 0.0
            _log.info("the store answers again")
        else:
            _log.error("the store cannot be used: %s", problem)
        await self._report(is_up)
