"""Finding single rows by their keys, on threads that take all that waits together.

Such a lookup takes microseconds, less than handing it to a pool of threads and back. It must not
run on the event loop all the same: a page that is not in memory comes from a disk, which may be
slow. So the lookups that calls ask for at about the same time are handed over together, and so are
their results.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Protocol

from crucible_ir.exchange.store.statements.rows import Lookup

#: The most lookups that a thread takes at a time.
_MOST: Final = 16

#: A thread that takes longer for those than so many seconds waits for its disk.
_STUCK_SECONDS: Final = 0.01


class LookupConnection(Protocol):
    """A connection for lookups, each of which is a transaction of its own."""

    def find(self, lookup: Lookup) -> Any:
        """Return the row, if there is one.

        Raises:
            StoreFailure: The database failed.
        """

    def close(self) -> None:
        """Disconnect."""


class LookupThreads:
    """Threads that look rows up: one of them does, and another only where that one is stuck.

    Args:
        connect: Makes a connection; called once for each thread, in it.
        threads: The number of threads.
    """

    def __init__(self, connect: Callable[[], LookupConnection], threads: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._seekers = [_LookupThread(connect, loop, number) for number in range(threads)]

    async def find(self, lookup: Lookup) -> Any:
        """Return the row that a lookup finds, if there is one.

        Raises:
            StoreFailure: The database failed.
        """
        found: asyncio.Future[Any] = self._loop.create_future()
        seekers = (seeker for seeker in self._seekers if not seeker.is_stuck)
        next(seekers, self._seekers[0]).asked.put((lookup, found))
        return await found

    def close(self) -> None:
        """Answer what was asked, and disconnect."""
        for seeker in self._seekers:
            seeker.asked.put(None)
        for seeker in self._seekers:
            seeker.thread.join()


class _LookupThread:
    """One thread, what it is asked for, and when it began with what it is at."""

    def __init__(
        self, connect: Callable[[], LookupConnection], loop: asyncio.AbstractEventLoop, number: int
    ) -> None:
        self.asked: SimpleQueue[tuple[Lookup, asyncio.Future[Any]] | None] = SimpleQueue()
        self._connect = connect
        self._loop = loop
        self._begun: float | None = None
        self.thread = threading.Thread(
            target=self._answer, name=f"exchange-points-{number}", daemon=True
        )
        self.thread.start()

    @property
    def is_stuck(self) -> bool:
        """Whether it has been at the same lookups for too long."""
        begun = self._begun
        return begun is not None and time.monotonic() - begun > _STUCK_SECONDS

    def _answer(self) -> None:
        finder: LookupConnection | None = None
        item = self.asked.get()
        while item is not None:
            self._begun = time.monotonic()
            outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
            while item is not None:
                lookup, found = item
                try:
                    finder = finder or self._connect()
                    outcomes.append((found, finder.find(lookup), None))
                except Exception as error:
                    outcomes.append((found, None, error))
                if len(outcomes) == _MOST or self.asked.empty():
                    break
                item = self.asked.get()
            self._begun = None
            self._loop.call_soon_threadsafe(_tell, outcomes)
            if item is not None:
                item = self.asked.get()
        if finder is not None:
            finder.close()


def _tell(outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]]) -> None:
    for found, row, error in outcomes:
        if found.done():
            # Whoever asked was cancelled.
            continue
        if error is None:
            found.set_result(row)
        else:
            found.set_exception(error)
