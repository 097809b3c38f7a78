"""Waking those who wait for changes, within a process."""

from __future__ import annotations

import asyncio


class Announcements:
    """The sequence number of the latest change that is known of, and a way to wait for the next."""

    def __init__(self) -> None:
        self._latest = 0
        self._changed = asyncio.Event()

    @property
    def latest(self) -> int:
        """The sequence number of the latest change that is known of; 0 when none is."""
        return self._latest

    def announce(self, sequence: int) -> None:
        """Tell all who wait of a change; on the event loop's thread."""
        if sequence > self._latest:
            self._latest = sequence
            self._changed.set()
            self._changed = asyncio.Event()

    async def wait(self, after: int, timeout: float) -> None:
        """Return when a change after a sequence number is known of, or after so many seconds."""
        if self._latest > after:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
