"""Runs work on a database: concurrent reads, and serialized, durable writes.

The statements of a store are functions of a connection. They run on threads, so that the event loop
never waits for a disk, not even for a single row. Writes that arrive during a commit share the next
transaction.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    NamedTuple,
    ParamSpec,
    Protocol,
    TypeVar,
)

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.store.engine.lookups import LookupConnection, LookupThreads
from crucible_ir.exchange.store.engine.migrations import CURRENT_VERSION, MIGRATIONS
from crucible_ir.exchange.store.engine.reads import ReadLane
from crucible_ir.exchange.store.engine.statistics import Measurements, Statistics
from crucible_ir.exchange.store.engine.upgrading import Upgrade, is_complete
from crucible_ir.exchange.store.errors import StoreFailure, StoreRejection, StoreUnavailableError
from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.changes import ChangeNotifier, taken_sequence
from crucible_ir.exchange.store.statements.rows import Lookup
from crucible_ir.exchange.store.statements.tables import counters, feedback_events

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
P = ParamSpec("P")
Work = Callable[["Connection"], Any]

_log: Final = logging.getLogger(__name__)

#: The most work in one transaction: so many documents, or 16 times as many events. Larger groups
#: would delay the acknowledgement of their first writes.
MAX_GROUP_WEIGHT = 256
EVENTS_PER_WEIGHT = 16

#: The longest time to wait for others before a transaction begins, in seconds. It is also at most
#: twice as long as the last transaction took.
MAX_GATHER_SECONDS = 0.01

#: The number of threads for reads that take milliseconds.
READERS = 4

#: The number of threads for heavy reads, which leave processors to others, and how many of them one
#: caller may use.
HEAVY_READERS = min(4, max(2, (os.cpu_count() or 1) // 2))
HEAVY_PER_CALLER = HEAVY_READERS // 2

#: How long a change of another process may remain unnoticed, in seconds.
STALENESS_SECONDS = 0.005

#: The number of threads for lookups: while one waits for a disk, others continue.
LOOKUP_THREADS = 4


#: The time between two attempts to remove copies of deleted rows, in seconds; and at most, after
#: failures.
SCRUB_SECONDS = 1.0
MAX_SCRUB_SECONDS = 60.0

#: How long a caller waits for the first attempt, in seconds.
SCRUB_PATIENCE = 10.0


class _Write(NamedTuple):
    """Work that waits for a transaction; see `Database.write`."""

    work: Work
    weight: int
    lookups: Sequence[Lookup]
    future: asyncio.Future[Any]


class SequenceReader(Protocol):
    """A connection that reads the latest sequence number."""

    def __call__(self) -> int | None:
        """Return the sequence number of the latest change; ``None`` if that would take waiting."""

    def close(self) -> None:
        """Disconnect."""


class Driver:
    """The differences between kinds of databases.

    Attributes:
        writer: Creates connections for writing.
        reader: Creates connections for reading; each transaction sees one snapshot.
        heavy_reader: Creates connections for heavy reads.
        monitor: Creates the one connection for checks and measurements, which wait for no other
            work.
        connect_lookup: Creates connections for fast lookups of single rows; ``None`` if a lookup
            takes a round trip like any other read.
        connect_sequence: Creates connections that read the latest sequence number fast enough for
            the event loop; ``None`` if that is not possible.
        poll_seconds: How often to check for changes by other processes.
        lost: The reason why what is read may not be the store any more; ``None`` otherwise.
    """

    writer: Engine
    reader: Engine
    heavy_reader: Engine
    monitor: Engine
    connect_lookup: Callable[[], LookupConnection] | None = None
    connect_sequence: Callable[[], SequenceReader] | None = None
    poll_seconds: float
    lost: StoreUnavailableError | None = None

    @property
    def hears_changes(self) -> bool:
        """Whether a notification of every change by any process arrives."""
        return False

    def migrate(self) -> None:
        """Create or migrate the tables, and open all connections; disconnect if that fails.

        A connection that is opened only when it is needed may find no file descriptor left.

        Raises:
            StoreFailure: The database cannot be opened, or was created by a newer release.
        """
        try:
            with self.reader.connect() as connection:
                is_current = is_complete(connection, CURRENT_VERSION)
            if not is_current:
                Upgrade(self.begin_exclusive, MIGRATIONS).run()
            for engine in self._engines():
                _fill_pool(engine)
        except BaseException as error:
            self.dispose()
            if isinstance(error, DBAPIError):
                raise self.failure(error) or error from error
            raise

    @contextmanager
    def begin_exclusive(self) -> Iterator[Connection]:
        """Begin a transaction that locks out other writers, of whom one may be upgrading."""
        with self.writer.begin() as connection:
            self.lock(connection)
            yield connection

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Translate an error of the driver; ``None`` for an unexpected error."""
        raise NotImplementedError

    def check_lost(self) -> None:
        """Check that what is open is still the store, and set `lost`.

        Raises:
            StoreUnavailableError: It is not.
        """

    def lock(self, connection: Connection) -> None:
        """Lock out all other writers until the transaction ends, unless it began with that."""

    def find_all(self, connection: Connection, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return for each lookup the row, as described in `deferred.Executor`."""
        raise NotImplementedError

    def change_all(self, connection: Connection, changes: Sequence[deferred.Change]) -> None:
        """Execute statements with their rows, as described in `deferred.Executor`."""
        raise NotImplementedError

    def notify(self, connection: Connection, sequence: int) -> None:
        """Notify other processes of a change when the transaction is committed."""

    def interrupt(self, connection: Any) -> bool:
        """End the statement that runs on a connection, as described in `ReadDriver`."""
        raise NotImplementedError

    def limit(self, connection: Connection, seconds: float) -> None:
        """Let the database end the statements of a transaction after some time, if it can."""

    def listeners(self) -> int:
        """Return the number of servers that have the database open, as far as it knows."""
        return 0

    def count_commit(self, connection: Connection) -> int:
        """Count the commit of a transaction that changed something, if commits are counted.

        Returns:
            The number of the commit; 0 if it is not counted.
        """
        return 0

    def mark_commit(self, number: int, sequence: int) -> None:
        """Note the number of a commit, and the last sequence number that it took or 0.

        It is called after the commit, and before that is acknowledged.
        """

    def committed(self, weight: int) -> None:
        """Count committed work, in the unit of `MAX_GROUP_WEIGHT`; runs on the event loop."""

    def check(self, connection: Connection) -> None:
        """Check that the database works, with the connection of the monitor.

        Raises:
            StoreFailure: It cannot be used.
        """
        self.check_lost()
        connection.execute(select(counters.c.value).limit(1)).all()

    def sizes(self, connection: Connection) -> tuple[int, int | None]:
        """Return the sizes of the database and of its write-ahead log in bytes.

        The second is ``None`` if the log belongs to other databases as well.
        """
        raise NotImplementedError

    def rewrite(self) -> None:
        """Write the tables anew if deleted rows may have left something in them.

        It runs on the thread of the writer, so no write of this process runs meanwhile.

        Raises:
            StoreFailure: It could not.
        """

    def stop_rewriting(self) -> None:
        """End `rewrite`, which runs on another thread, and let no further one begin."""

    def scrub(self, tables: Iterable[str]) -> bool:
        """Remove what the database has of deleted rows of some tables outside of these.

        Returns:
            Whether it could; it cannot while a reader uses them.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Finish background work."""

    def dispose(self) -> None:
        """Disconnect."""
        for engine in self._engines():
            engine.dispose()

    def _engines(self) -> Sequence[Engine]:
        return (self.writer, self.reader, self.heavy_reader, self.monitor)

    async def listen(self, notifier: ChangeNotifier) -> None:
        """Pass on the notifications of other processes, if they send any, until cancelled."""
        await asyncio.Event().wait()


class Database:
    """An open database: its threads and its connections.

    Attributes:
        notifier: Knows the latest change.
        statistics: Counts the work.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._writing = ThreadPoolExecutor(1, "exchange-writer")
        deferred.install(driver.writer)
        self._reads = ReadLane("reader", driver, driver.reader, READERS)
        self._heavy_reads = ReadLane(
            "heavy", driver, driver.heavy_reader, HEAVY_READERS, HEAVY_PER_CALLER
        )
        self._monitoring = ReadLane("monitor", driver, driver.monitor, 1)
        self._pending: deque[_Write] = deque()
        self._awake = asyncio.Event()
        self._expected = 0
        self._gathered = asyncio.Event()
        self._closing = False
        self.notifier = ChangeNotifier()
        self.statistics = Statistics()
        self._lookups = (
            LookupThreads(driver.connect_lookup, LOOKUP_THREADS) if driver.connect_lookup else None
        )
        self._sequence_reader = driver.connect_sequence() if driver.connect_sequence else None
        self._last_read: int | None = None
        self._next_read = 0.0
        self._scrubbing: asyncio.Task[None] | None = None
        self._unscrubbed: frozenset[str] = frozenset()
        self._attempts: set[asyncio.Task[bool]] = set()
        # An earlier process may have ended before it rewrote the database.
        self._has_remains = True
        self._has_failed_to_scrub = False
        self._writer = asyncio.create_task(self._write_groups())
        self._listener = BackgroundTask(partial(driver.listen, self.notifier))
        self._listener.start()

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Run read-only work, with a connection and these arguments, in its own transaction.

        It takes milliseconds. If the caller is cancelled, the work ends.

        Raises:
            StoreFailure: The database failed.
        """
        return await self._read(
            self._reads, lambda connection: work(connection, *arguments, **named)
        )

    async def read_heavily(
        self, work: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Run read-only work that may take long, as `read` does, on threads of its own.

        Each caller has at most `HEAVY_PER_CALLER` at a time; further ones wait, while their
        deadlines keep running.

        Raises:
            StoreFailure: The database failed.
        """
        return await self._read(
            self._heavy_reads, lambda connection: work(connection, *arguments, **named)
        )

    async def _read(self, lane: ReadLane, work: Callable[[Connection], T]) -> T:
        if lane is not self._monitoring:
            self._check_lost()
        try:
            return await lane.run(work)
        except DBAPIError as error:
            raise self._translated(error) from error

    def _check_lost(self) -> None:
        # A new one each time, because raising an error adds a traceback to it.
        if self._driver.lost is not None:
            raise StoreUnavailableError(str(self._driver.lost))

    def version(self) -> int | None:
        """Return a number that is another one after each change; ``None`` if it is unknown.

        Changes by this process are known before they are acknowledged. Those of other processes
        arrive as notifications, or the database is read for them every few milliseconds.
        """
        if self._driver.lost is not None:
            return None
        if self._driver.hears_changes:
            return self.notifier.count
        if self._sequence_reader is None:
            return None
        now = time.monotonic()
        if now >= self._next_read:
            self._last_read = self._sequence_reader()
            self._next_read = now + STALENESS_SECONDS
        return None if self._last_read is None else max(self._last_read, self.notifier.latest)

    def note_deletion(self) -> None:
        """Let the next `scrub` rewrite the database; work that deletes rows calls it."""
        self._has_remains = True

    async def scrub(self, tables: Iterable[str]) -> bool:
        """Remove all copies of deleted rows of some tables from the database, now or soon.

        Returns:
            Whether it is done. If not, it continues in the background until it is.
        """
        attempt = asyncio.create_task(self._scrub(tables))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        done = False
        try:
            finished, _ = await asyncio.wait({attempt}, timeout=SCRUB_PATIENCE)
            done = bool(finished) and attempt.result()
        finally:
            if not done:
                self.scrub_later(tables)
        return done

    def scrub_later(self, tables: Iterable[str]) -> None:
        """Do in the background what `scrub` does, until it is done."""
        self._unscrubbed |= frozenset(tables)
        if self._scrubbing is None or self._scrubbing.done():
            self._scrubbing = asyncio.create_task(self._scrub_until_done())

    async def _scrub_until_done(self) -> None:
        delay = SCRUB_SECONDS
        while self._unscrubbed:
            await asyncio.sleep(delay)
            tables, self._unscrubbed = self._unscrubbed, frozenset()
            if not await self._scrub(tables):
                self._unscrubbed |= tables
            # A rewrite stops the writers, so one that fails must not be repeated all the time.
            delay = min(2 * delay, MAX_SCRUB_SECONDS) if self._has_remains else SCRUB_SECONDS

    async def _scrub(self, tables: Iterable[str]) -> bool:
        try:
            if self._has_remains:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._writing, self._rewrite)
            done = await asyncio.to_thread(self._driver.scrub, tables)
        except (DBAPIError, StoreFailure) as error:
            cause = self._translated(error) if isinstance(error, DBAPIError) else error
            if not self._has_failed_to_scrub:
                _log.warning(
                    "copies of deleted rows are still in the files of the database: %s; trying"
                    " again until they are removed",
                    cause,
                )
            self._has_failed_to_scrub = True
            return False
        if done and self._has_failed_to_scrub:
            _log.info("removed the copies of deleted rows from the files of the database")
            self._has_failed_to_scrub = False
        return done

    def _rewrite(self) -> None:
        # Work that deletes runs on this thread too, so none comes between these lines. Several
        # callers share a rewrite.
        if self._has_remains:
            self._driver.rewrite()
            self._has_remains = False

    async def find(self, lookup: Lookup) -> Any:
        """Return the row of a lookup, if there is one; its types are those of the driver.

        Raises:
            StoreFailure: The database failed.
        """
        if self._lookups is not None:
            self._check_lost()
            try:
                return await self._lookups.find(lookup)
            except StoreFailure as error:
                raise self._cause(error) from error
        return await self.read(
            lambda connection: connection.execute(lookup.statement, lookup.parameters).one_or_none()
        )

    async def write(
        self, work: Callable[[Connection], T], weight: int = 1, lookups: Sequence[Lookup] = ()
    ) -> T:
        """Run work in a transaction, after all earlier work; return when it is durable.

        Args:
            work: The work.
            weight: The amount of work, in the unit of `MAX_GROUP_WEIGHT`.
            lookups: What the work is known to look up: it is read with that of others.

        Raises:
            StoreFailure: The database failed.
        """
        if self._closing:
            raise StoreUnavailableError("the store is closing")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending.append(_Write(work, weight, lookups, future))
        self._awake.set()
        if len(self._pending) >= self._expected:
            self._gathered.set()
        return await future

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for a transaction; another thread may ask."""
        return len(self._pending)

    async def check(self) -> None:
        """Check that the database answers.

        Raises:
            StoreFailure: It cannot be used.
        """
        await self._read(self._monitoring, self._driver.check)

    async def measure(self) -> Measurements:
        """Measure the store; nothing that takes longer in a larger store is done for that.

        Raises:
            StoreFailure: The database failed.
        """
        return await self._read(self._monitoring, self._measure)

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be a change after a sequence number."""
        await self.notifier.wait(after, min(timeout, self._driver.poll_seconds))

    async def close(self) -> None:
        """Finish the pending work, and disconnect."""
        self._driver.stop_rewriting()
        if self._scrubbing is not None:
            self._scrubbing.cancel()
            with suppress(asyncio.CancelledError):
                await self._scrubbing
        if self._attempts:
            await asyncio.wait(self._attempts)
        self._closing = True
        self._awake.set()
        self._gathered.set()
        await self._writer
        await self._listener.close()
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._writing.shutdown()
        self._reads.close()
        self._heavy_reads.close()
        self._monitoring.close()
        if self._lookups is not None:
            self._lookups.close()
        if self._sequence_reader is not None:
            self._sequence_reader.close()
        self._driver.close()
        self._driver.dispose()

    def _measure(self, connection: Connection) -> Measurements:
        size, wal = self._driver.sizes(connection)
        rows = connection.execute(select(counters.c.name, counters.c.value))
        found = {name: int(value) for name, value in rows}
        last_event = connection.execute(select(func.max(feedback_events.c.position))).scalar_one()
        return Measurements(size, wal, found["sequence"], found["compacted"], last_event or 0)

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        seconds = 0.0
        while self._pending or not self._closing:
            if not self._pending:
                self._awake.clear()
                await self._awake.wait()
                continue
            await self._gather(2 * seconds)
            writes: list[_Write] = []
            total = 0
            while self._pending and (
                not writes or total + self._pending[0].weight <= MAX_GROUP_WEIGHT
            ):
                write = self._pending.popleft()
                if not write.future.cancelled():
                    writes.append(write)
                    total += write.weight
            if not writes:
                continue
            begun = time.perf_counter()
            outcomes, sequence = await loop.run_in_executor(self._writing, self._run, writes)
            self.statistics.transactions += 1
            seconds = time.perf_counter() - begun
            self.statistics.transaction_seconds += seconds
            _log.debug("transaction of %d writes in %.1f ms", len(writes), seconds * 1000)
            for write, (result, error) in zip(writes, outcomes, strict=True):
                if write.future.cancelled():
                    continue
                if error is None:
                    write.future.set_result(result)
                else:
                    write.future.set_exception(error)
            if sequence:
                self.notifier.notify(sequence)
            self._driver.committed(total)
            # Heavier work is not delayed: it gains nothing from company.
            is_light = total == len(writes)
            self._expected = len(writes) + len(self._pending) if is_light else 0

    async def _gather(self, seconds: float) -> None:
        """Wait a moment for as many writes as there were at the end of the last transaction.

        Callers who were answered together often write again. If the first of them did not wait for
        the others, they would share one transaction, and those who came later another one.
        """
        if len(self._pending) >= self._expected or self._closing:
            return
        self._gathered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, MAX_GATHER_SECONDS)):
                await self._gathered.wait()

    def _run(self, writes: list[_Write]) -> tuple[list[tuple[Any, Exception | None]], int]:
        """Run works in one transaction, or if that fails before the commit, each in its own."""
        try:
            return self._run_together(writes)
        except _CommitError as error:
            return [(None, error.reason)] * len(writes), 0
        except Exception as error:
            if len(writes) == 1:
                return [(None, self._public_error(error))], 0
        outcomes = []
        latest = 0
        for write in writes:
            [outcome], sequence = self._run([write])
            outcomes.append(outcome)
            latest = max(latest, sequence)
        return outcomes, latest

    def _run_together(self, writes: list[_Write]) -> tuple[list[tuple[Any, Exception | None]], int]:
        outcomes: list[tuple[Any, Exception | None]] = []
        lookups = [lookup for write in writes for lookup in write.lookups]
        with self._driver.writer.connect() as connection:
            transaction = connection.begin()
            self._driver.lock(connection)
            taken_sequence(connection)
            with deferred.together(connection, self._driver, lookups):
                for write in writes:
                    try:
                        outcomes.append((write.work(connection), None))
                    except StoreRejection as rejection:
                        outcomes.append((None, rejection))
                sequence = taken_sequence(connection)
                if sequence:
                    self._driver.notify(connection, sequence)
            number = self._driver.count_commit(connection)
            try:
                transaction.commit()
            except Exception as error:
                raise _CommitError(self._public_error(error)) from error
            self._driver.mark_commit(number, sequence)
        return outcomes, sequence

    def _public_error(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError):
            return self._translated(error)
        return self._cause(error) if isinstance(error, StoreFailure) else error

    def _translated(self, error: DBAPIError) -> Exception:
        return self._cause(self._driver.failure(error) or error)

    def _cause(self, error: Exception) -> Exception:
        """Return why the database failed: without its file it has many kinds of errors."""
        try:
            self._driver.check_lost()
        except StoreUnavailableError as lost:
            return lost
        return error


def _fill_pool(engine: Engine) -> None:
    assert isinstance(engine.pool, QueuePool)
    with ExitStack() as connections:
        for _ in range(engine.pool.size()):
            connections.enter_context(engine.connect())


class _CommitError(Exception):
    """A commit failed, so it is unknown whether the transaction took effect."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason
