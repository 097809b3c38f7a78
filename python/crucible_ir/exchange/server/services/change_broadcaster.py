"""The change broadcaster: it reads each change from the store once, for all watches."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.errors import StoreFailure
from crucible_ir.exchange.store.records import ChangePage, StoredEntry
from crucible_ir.exchange.store.statements.changes import ChangeNotifier

#: How long to wait for changes at a time, and after a failure of the store, in seconds.
PAUSE_SECONDS = 1.0

#: How long to let changes gather before they are read, in seconds, while there is no watch. To read
#: them after each of many transactions would cost about as much as to publish them.
GATHER_SECONDS = 0.1

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.feed")


class WatchPosition:
    """How far a watch has come.

    Attributes:
        sequence: The sequence number up to which everything was sent.
    """

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence


class ChangeBroadcaster:
    """Follows the changes of a store, and keeps the recent ones in memory.

    Attributes:
        epoch: The epoch of the store, as of the latest change that was read.
        times_forgotten: How often the changes in memory were forgotten.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self.epoch = ""
        self.times_forgotten = 0
        self._entries: list[StoredEntry] = []
        self._sequences: list[int] = []
        self._bytes = 0
        # Changes after `_after` and up to `_through` are in memory.
        self._after = 0
        self._through = 0
        self._notifier = ChangeNotifier()
        self._watches: set[WatchPosition] = set()
        self._watched = asyncio.Event()
        self._purges: int | None = None
        self._forgetting: list[Callable[[], None]] = [store.forget_cached]
        self._task = BackgroundTask(self._follow)

    async def start(self) -> None:
        """Follow the changes from now on."""
        self._after = self._through = await self._store.position()
        self.epoch = (await self._store.epochs())[-1].name
        self._task.start()

    async def close(self) -> None:
        """Stop following."""
        await self._task.close()

    async def since(self, after: int) -> ChangePage:
        """Return changes after a sequence number: from memory, or older ones from the store.

        Raises:
            StoreFailure: The store failed.
        """
        if after < self._after:
            return await self._store.changes(after)
        first = bisect_right(self._sequences, after)
        return ChangePage(self._entries[first:], None, through=max(self._through, after))

    def on_forget(self, action: Callable[[], None]) -> None:
        """Call a function whenever what is in memory of documents must be forgotten."""
        self._forgetting.append(action)

    def forget(self) -> None:
        """Forget what is in memory: a document was purged, by this server or another."""
        self.times_forgotten += 1
        self._drop(len(self._entries))
        self._after = self._through
        for action in self._forgetting:
            action()

    @contextmanager
    def following(self, after: int) -> Iterator[WatchPosition]:
        """Count a watch after a sequence number, for the metrics; the watch moves its position."""
        position = WatchPosition(after)
        self._watches.add(position)
        self._watched.set()
        try:
            yield position
        finally:
            self._watches.discard(position)
            if not self._watches:
                self._watched.clear()

    @property
    def watches(self) -> int:
        """The number of watches; another thread may ask."""
        return len(self._watches)

    @property
    def most_behind(self) -> int:
        """How many changes the slowest watch is behind; another thread may ask."""
        latest = max(self._through, self._store.latest)
        # The copy is made in one step.
        return max((latest - each.sequence for each in list(self._watches)), default=0)

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there is a change after a sequence number, or after a timeout in seconds."""
        await self._notifier.wait(after, timeout)

    async def _follow(self) -> None:
        while True:
            try:
                await self._store.wait(self._through, PAUSE_SECONDS)
                changes = await self._store.changes(self._through)
            except StoreFailure as error:
                _log.warning("cannot read changes from the store, retrying: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if self._purges is not None and changes.purges != self._purges:
                self.forget()
            self._purges = changes.purges
            if changes.gap is not None:
                # Changes before these are missing: those in memory do not join.
                self._drop(len(self._entries))
                self._after = changes.gap.through
            self._keep(changes)
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._watched.wait()

    def _keep(self, changes: ChangePage) -> None:
        self._entries += changes.entries
        self._sequences += [entry.record.sequence for entry in changes.entries]
        self._bytes += sum(len(entry.document or b"") for entry in changes.entries)
        self._through = changes.through
        excess = max(0, len(self._entries) - self._settings.recent_changes)
        size = self._bytes - sum(len(entry.document or b"") for entry in self._entries[:excess])
        while size > self._settings.recent_bytes:
            size -= len(self._entries[excess].document or b"")
            excess += 1
        self._drop(excess)
        self.epoch = changes.epoch
        if changes.entries or changes.gap is not None:
            self._notifier.notify(self._through)

    def _drop(self, count: int) -> None:
        """Drop the oldest changes."""
        if not count:
            return
        self._after = self._sequences[count - 1]
        self._bytes -= sum(len(entry.document or b"") for entry in self._entries[:count])
        del self._entries[:count], self._sequences[:count]
