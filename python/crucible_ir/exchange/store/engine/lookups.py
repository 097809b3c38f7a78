"""Lookups of single rows by their keys, on threads that process them in batches.

A lookup takes microseconds, less than a round trip to a thread pool. It must not run on the event
loop nevertheless: a page that is not in memory is read from a disk, which may be slow. So lookups
that are requested at about the same time are passed to a thread together, and so are their results.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final, Protocol

from crucible_ir.exchange.store.statements.rows import Lookup

#: The most lookups in a batch.
_MAX_BATCH: Final = 16

#: A thread that takes longer than this for a batch is waiting for a disk, in seconds.
_STUCK_SECONDS: Final = 0.01


class LookupConnection(Protocol):
    """A connection for lookups; each lookup is a transaction."""

    def find_all(self, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return for each lookup the row, if there is one, or an error."""

    def close(self) -> None:
        """Disconnect."""


class LookupThreads:
    """Threads for lookups: the first one takes all, and the others only while it is stuck.

    Args:
        connect: Creates a connection; called once for each thread, so that all connections are open
            before the first lookup.
        threads: The number of threads.
    """

    def __init__(self, connect: Callable[[], LookupConnection], threads: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        connections = [connect() for _ in range(threads)]
        self._threads = [
            _LookupThread(connection, loop, number) for number, connection in enumerate(connections)
        ]

    async def find(self, lookup: Lookup) -> Any:
        """Return the row of a lookup, if there is one.

        Raises:
            StoreFailure: The database failed.
        """
        found: asyncio.Future[Any] = self._loop.create_future()
        ready = (thread for thread in self._threads if not thread.is_stuck)
        next(ready, self._threads[0]).queue.put((lookup, found))
        return await found

    def close(self) -> None:
        """Finish the pending lookups, and disconnect."""
        for thread in self._threads:
            thread.queue.put(None)
        for thread in self._threads:
            thread.join()


class _LookupThread:
    """One thread, its queue, and the start of its current batch."""

    def __init__(
        self, connection: LookupConnection, loop: asyncio.AbstractEventLoop, number: int
    ) -> None:
        self.queue: SimpleQueue[tuple[Lookup, asyncio.Future[Any]] | None] = SimpleQueue()
        self._connection = connection
        self._loop = loop
        self._begun: float | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"exchange-lookups-{number}", daemon=True
        )
        self._thread.start()

    @property
    def is_stuck(self) -> bool:
        """Whether the current batch has taken too long."""
        begun = self._begun
        return begun is not None and time.monotonic() - begun > _STUCK_SECONDS

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    def _run(self) -> None:
        item = self.queue.get()
        while item is not None:
            self._begun = time.monotonic()
            items = [item]
            while len(items) < _MAX_BATCH and not self.queue.empty():
                item = self.queue.get()
                if item is None:
                    break
                items.append(item)
            outcomes: Sequence[Any]
            try:
                outcomes = self._connection.find_all([lookup for lookup, _ in items])
            except Exception as error:
                outcomes = [error] * len(items)
            self._begun = None
            self._loop.call_soon_threadsafe(_deliver, items, outcomes)
            if item is not None:
                item = self.queue.get()
        self._connection.close()


def _deliver(items: Sequence[tuple[Lookup, asyncio.Future[Any]]], outcomes: Sequence[Any]) -> None:
    for (_, found), outcome in zip(items, outcomes, strict=True):
        if found.done():
            # The caller was cancelled.
            continue
        if isinstance(outcome, Exception):
            found.set_exception(outcome)
        else:
            found.set_result(outcome)
