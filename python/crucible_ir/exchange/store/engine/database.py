"""Running work on a database: reads side by side, writes one after another and durable.

The statements of a store are plain functions of a connection. They run on threads, so that the
event loop never waits for a disk, not even for a single row; writes that come in while another is
being made durable share the next transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError

from crucible_ir.exchange.store.engine.lookups import LookupConnection, LookupThreads
from crucible_ir.exchange.store.errors import StoreFailure, StoreRejection, StoreUnavailableError
from crucible_ir.exchange.store.statements.changes import ChangeNotifier, taken_sequence
from crucible_ir.exchange.store.statements.rows import Lookup

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
Work = Callable[["Connection"], Any]

#: How much work shares a transaction at most: so many documents, or 16 times as many events. More
#: would wait for those that come after it, whose senders wait for their acknowledgement meanwhile.
MAX_GROUP = 256
EVENTS_A_WORK = 16

#: The number of threads that read.
READERS = 4

#: For how long it may go unnoticed that another process changed something, in seconds.
FRESH_SECONDS = 0.005

#: The most threads that look up single rows: where one waits for a disk, others go on.
POINT_READERS = 4


class SequenceReader(Protocol):
    """A connection that knows one thing."""

    def __call__(self) -> int | None:
        """Return the sequence number of the latest change, if that takes no waiting."""

    def close(self) -> None:
        """Disconnect."""


class Driver(Protocol):
    """What differs between kinds of databases.

    Attributes:
        writer: Makes connections for writing.
        reader: Makes connections for reading; each transaction sees one state.
        finder: Makes connections for looking up single rows where that is quick; ``None`` where
            it takes a round trip as all reading does.
        sequence: Makes what tells the sequence number of the latest change from memory, or ``None``
            where that would take longer; it may be asked on the event loop.
        poll_seconds: How often to look for changes that other processes made.
    """

    writer: Engine
    reader: Engine
    finder: Callable[[], LookupConnection] | None
    sequence: Callable[[], SequenceReader] | None
    poll_seconds: float

    def lock(self, connection: Connection) -> None:
        """Keep all other writers out until the transaction ends."""

    def announce(self, connection: Connection, sequence: int) -> None:
        """Tell other processes of a change when the transaction is committed."""

    def committed(self, size: int) -> None:
        """Learn that so much work was committed, as a part of `MAX_GROUP`; on the loop's thread."""

    def close(self) -> None:
        """Finish what goes on beside reading and writing."""

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Say what a driver's error means; ``None`` for one that has no business to occur."""

    async def listen(self, notifier: ChangeNotifier) -> None:
        """Pass on what other processes announce, until cancelled."""


class Database:
    """A database that is open: its threads and its connections."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._writing = ThreadPoolExecutor(1, "exchange-writer")
        self._reading = ThreadPoolExecutor(READERS, "exchange-reader")
        self._pending: deque[tuple[Work, int, asyncio.Future[Any]]] = deque()
        self._awake = asyncio.Event()
        self._closing = False
        self.notifier = ChangeNotifier()
        self._points = LookupThreads(driver.finder, POINT_READERS) if driver.finder else None
        self._sequence = driver.sequence() if driver.sequence else None
        self._told: int | None = None
        self._ask_again = 0.0
        self._writer = asyncio.create_task(self._write_groups())
        self._listener = asyncio.create_task(driver.listen(self.notifier))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that changes nothing in a transaction of its own.

        Raises:
            StoreFailure: The database failed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._read, work)

    def sequence(self) -> int | None:
        """Return the sequence number of the latest change, if that takes no waiting.

        The database is asked every few milliseconds, for what other processes change; changes that
        this one made are known at once, and before they are acknowledged.
        """
        if self._sequence is None:
            return None
        now = time.monotonic()
        if now >= self._ask_again:
            self._told = self._sequence()
            self._ask_again = now + FRESH_SECONDS
        return None if self._told is None else max(self._told, self.notifier.latest)

    async def find(self, lookup: Lookup) -> Any:
        """Return the row that a lookup finds, if there is one; its types are the driver's.

        Raises:
            StoreFailure: The database failed.
        """
        if self._points is not None:
            return await self._points.find(lookup)
        return await self.read(
            lambda connection: connection.execute(lookup.statement, lookup.parameters).one_or_none()
        )

    async def write(self, work: Callable[[Connection], T], weight: int = 1) -> T:
        """Run work in a transaction, after all work that was given before; return when durable.

        Args:
            work: The work.
            weight: How much it is, as a part of `MAX_GROUP`.

        Raises:
            StoreFailure: The database failed.
        """
        if self._closing:
            raise StoreUnavailableError("the store is closing")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append((work, weight, future))
        self._awake.set()
        return await future

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number."""
        await self.notifier.wait(after, min(timeout, self._driver.poll_seconds))

    async def close(self) -> None:
        """Finish the work that was given, and disconnect."""
        self._closing = True
        self._awake.set()
        await self._writer
        self._listener.cancel()
        with suppress(asyncio.CancelledError):
            await self._listener
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        if self._points is not None:
            self._points.close()
        if self._sequence is not None:
            self._sequence.close()
        self._driver.close()
        self._driver.reader.dispose()
        self._driver.writer.dispose()

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
            works: list[Work] = []
            futures: list[asyncio.Future[Any]] = []
            size = 0
            while self._pending and (not works or size + self._pending[0][1] <= MAX_GROUP):
                work, weight, future = self._pending.popleft()
                if not future.cancelled():
                    works.append(work)
                    futures.append(future)
                    size += weight
            if not works:
                continue
            outcomes, sequence = await loop.run_in_executor(self._writing, self._run, works)
            for future, (result, error) in zip(futures, outcomes, strict=True):
                if future.cancelled():
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            self.notifier.announce(sequence)
            self._driver.committed(size)

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
            taken_sequence(connection)
            for work in works:
                try:
                    outcomes.append((work(connection), None))
                except StoreRejection as refusal:
                    outcomes.append((None, refusal))
            sequence = taken_sequence(connection)
            if sequence:
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
