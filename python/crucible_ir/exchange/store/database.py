"""Running work on a database: reads side by side, writes one after another and durable.

The statements of a store are plain functions of a connection. They run on threads, so that the
event loop never waits for a disk; writes that come in while another is being made durable share the
next transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

from crucible_ir.exchange.store.announcements import Announcements
from crucible_ir.exchange.store.documents import counter
from crucible_ir.exchange.store.failures import Refused, StoreFailure, StoreUnavailableError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
Work = Callable[["Connection"], Any]

#: The most works that share one transaction.
MAX_GROUP = 256

#: The number of threads that read.
READERS = 4


class Driver(Protocol):
    """What differs between kinds of databases.

    Attributes:
        writer: Makes connections for writing.
        reader: Makes connections for reading; each transaction sees one state.
        point_reader: Makes connections for single statements that are answered from memory, so
            fast that they may run on the event loop; ``None`` where reading takes a round trip.
        poll_seconds: How often to look for changes that other processes made.
    """

    writer: Engine
    reader: Engine
    point_reader: Engine | None
    poll_seconds: float

    def lock(self, connection: Connection) -> None:
        """Keep all other writers out until the transaction ends."""

    def announce(self, connection: Connection, sequence: int) -> None:
        """Tell other processes of a change when the transaction is committed."""

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Say what a driver's error means; ``None`` for one that has no business to occur."""

    async def listen(self, announcements: Announcements) -> None:
        """Pass on what other processes announce, until cancelled."""


class Database:
    """A database that is open: its threads and its connections."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._writing = ThreadPoolExecutor(1, "exchange-writer")
        self._reading = ThreadPoolExecutor(READERS, "exchange-reader")
        self._pending: list[tuple[Work, asyncio.Future[Any]]] = []
        self._awake = asyncio.Event()
        self._closing = False
        self.announcements = Announcements()
        self._point = driver.point_reader.connect() if driver.point_reader else None
        self._writer = asyncio.create_task(self._write_groups())
        self._listener = asyncio.create_task(driver.listen(self.announcements))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that changes nothing in a transaction of its own.

        Raises:
            StoreFailure: The database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read, work)

    async def read_point(self, work: Callable[[Connection], T]) -> T:
        """Run work of a single statement that finds a row by its key.

        Raises:
            StoreFailure: The database failed.
        """
        if self._point is None:
            return await self.read(work)
        try:
            return work(self._point)
        except DBAPIError as error:
            raise self._translated(error) from error

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction, after all work that was given before; return when durable.

        Raises:
            StoreFailure: The database failed.
        """
        if self._closing:
            raise StoreUnavailableError("the store is closing")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append((work, future))
        self._awake.set()
        return await future

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number."""
        await self.announcements.wait(after, min(timeout, self._driver.poll_seconds))

    async def close(self) -> None:
        """Finish the work that was given, and disconnect."""
        self._closing = True
        self._awake.set()
        await self._writer
        self._listener.cancel()
        with suppress(asyncio.CancelledError):
            await self._listener
        if self._point is not None:
            self._point.close()
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        engines = (self._driver.point_reader, self._driver.reader, self._driver.writer)
        for engine in engines:
            if engine is not None:
                engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._driver.reader.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise self._translated(error) from error

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending or not self._closing:
            if not self._pending:
                self._awake.clear()
                await self._awake.wait()
                continue
            group = [item for item in self._pending[:MAX_GROUP] if not item[1].cancelled()]
            del self._pending[:MAX_GROUP]
            if not group:
                continue
            works = [work for work, _ in group]
            outcomes, sequence = await loop.run_in_executor(self._writing, self._run, works)
            for (_, future), (result, error) in zip(group, outcomes, strict=True):
                if future.cancelled():
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            self.announcements.announce(sequence)

    def _run(self, works: list[Work]) -> tuple[list[tuple[Any, Exception | None]], int]:
        """Run works in one transaction, or if that fails before its end, each in its own."""
        try:
            return self._run_together(works)
        except _CommitError as error:
            return [(None, error.reason)] * len(works), 0
        except Exception as error:
            if len(works) == 1:
                return [(None, self._explained(error))], 0
        outcomes = []
        latest = 0
        for work in works:
            [outcome], sequence = self._run([work])
            outcomes.append(outcome)
            latest = max(latest, sequence)
        return outcomes, latest

    def _run_together(self, works: list[Work]) -> tuple[list[tuple[Any, Exception | None]], int]:
        outcomes: list[tuple[Any, Exception | None]] = []
        with self._driver.writer.connect() as connection:
            transaction = connection.begin()
            self._driver.lock(connection)
            before = counter(connection, "sequence")
            for work in works:
                try:
                    outcomes.append((work(connection), None))
                except Refused as refusal:
                    outcomes.append((None, refusal))
            sequence = counter(connection, "sequence")
            if sequence > before:
                self._driver.announce(connection, sequence)
            try:
                transaction.commit()
            except Exception as error:
                raise _CommitError(self._explained(error)) from error
        return outcomes, sequence

    def _explained(self, error: Exception) -> Exception:
        return self._translated(error) if isinstance(error, DBAPIError) else error

    def _translated(self, error: DBAPIError) -> Exception:
        return self._driver.failure(error) or error


class _CommitError(Exception):
    """The end of a transaction failed, so that nobody knows whether it took place."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason
