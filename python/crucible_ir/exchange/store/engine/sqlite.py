"""The driver for SQLite: one file, one writer at a time, and readers that never wait."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from crucible_ir.exchange.store.engine.database import (
    HEAVY_READERS,
    MAX_GROUP_WEIGHT,
    READERS,
    Driver,
)
from crucible_ir.exchange.store.engine.mark import Loss, Mark, Marked, contents_of, find_loss
from crucible_ir.exchange.store.engine.sqlite_statements import SqliteStatements
from crucible_ir.exchange.store.errors import (
    StoreDamagedError,
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.records import GapReason
from crucible_ir.exchange.store.statements.deferred import Change
from crucible_ir.exchange.store.statements.epochs import begin_epoch
from crucible_ir.exchange.store.statements.rows import Lookup

if TYPE_CHECKING:
    from sqlalchemy.engine import RootTransaction

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.store")

#: How long to wait for a writer in another process, in seconds.
BUSY_SECONDS = 10

#: How long to wait for a transaction of another process that may upgrade the store, in seconds.
UPGRADE_SECONDS = 600

#: The committed work after which a checkpoint runs, in the unit of `MAX_GROUP_WEIGHT`; and the
#: number of pages in the log at which SQLite itself runs one during a commit: 64 MiB.
CHECKPOINT_WEIGHT = 4 * MAX_GROUP_WEIGHT
MAX_LOG_PAGES = 16_384

#: Counts a commit.
_COUNT_COMMIT: Final = (
    "UPDATE counters SET value = value + 1 WHERE name = 'commits' RETURNING value"
)

#: The key of a connection's info for the number of its changes at the last commit.
_CHANGES_SEEN: Final = "crucible_ir.changes"

#: The key of a connection's info for its `SqliteStatements`.
_STATEMENTS: Final = "crucible_ir.statements"

#: The size of the pages that are in use.
_USED_BYTES: Final = (
    "SELECT (page_count - freelist_count) * page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)

#: How long to wait for readers when the log is emptied, in milliseconds.
TRUNCATION_MILLISECONDS = 100

#: The errors for SQLite's primary result codes; all others are faults of the file or this program.
_FAILURES: dict[int, tuple[type[StoreFailure], str]] = {
    sqlite3.SQLITE_FULL: (StoreFullError, "the database has no space left"),
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "the database is read-only"),
    sqlite3.SQLITE_PERM: (StoreReadOnlyError, "no permission to write the database"),
    sqlite3.SQLITE_BUSY: (StoreUnavailableError, "the database is busy with another process"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailableError, "the database is locked"),
    sqlite3.SQLITE_INTERRUPT: (StoreUnavailableError, "the store is closing"),
    sqlite3.SQLITE_IOERR: (StoreUnavailableError, "the database's disk failed"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailableError, "the database cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (StoreFailure, "the database file is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreFailure, "the file is not a SQLite database"),
}


class SqliteDriver(Driver):
    """A database in one file, which is created if it does not exist.

    Commits are durable when they return: each synchronizes the log with the disk.
    """

    poll_seconds = 0.5

    def __init__(self, path: Path, *, accept_loss: bool = False) -> None:
        loss = find_loss(path)
        if loss is not None and not accept_loss:
            raise StoreDamagedError(loss.message)
        _create_private(path)
        self.writer = _engine(path, "BEGIN IMMEDIATE", pool=1)
        self.reader = _engine(path, "BEGIN", pool=READERS)
        self.monitor = _engine(path, "BEGIN", pool=1)
        self.heavy_reader = _engine(path, "BEGIN", pool=HEAVY_READERS)
        self.migrate()
        if loss is not None:
            self._accept(loss)
        self._mark = Mark(path)
        self._epoch = self._mark_contents()
        self._path = path
        self._file = _identity(path)
        self._checkpoints = _Checkpoints(path)
        self.connect_lookup = lambda: self._statements(_connect(path, is_writer=False))
        self.connect_sequence = partial(_SqliteSequenceReader, path)

    @contextmanager
    def begin_exclusive(self) -> Iterator[Connection]:
        """Begin a transaction that locks out other writers, of whom one may be upgrading."""
        with self.writer.connect() as connection:
            transaction = self._begin(connection)
            with transaction:
                yield connection

    def _begin(self, connection: Connection) -> RootTransaction:
        started = time.monotonic()
        while True:
            try:
                return connection.begin()
            except DBAPIError as error:
                busy = isinstance(_failure(error.orig), StoreUnavailableError)
                if not busy or time.monotonic() - started > UPGRADE_SECONDS:
                    raise
                _log.info("waiting for another process that changes or upgrades the store")

    def check_lost(self) -> None:
        """Check that the file is still the one that was opened.

        Without its file SQLite goes on without an error, and what it writes is lost at the end.

        Raises:
            StoreUnavailableError: The file was removed or replaced.
        """
        lost: StoreUnavailableError | None = None
        try:
            if _identity(self._path) != self._file:
                lost = StoreUnavailableError(f"another file has replaced {self._path}")
        except OSError as error:
            lost = StoreUnavailableError(f"no access to {self._path}: {error.strerror}")
        self.lost = lost
        if lost is not None:
            raise lost

    def find_all(self, connection: Connection, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return for each lookup the row, as described in `deferred.Executor`."""
        return list(map(self._of(connection).find, lookups))

    def change_all(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Execute statements with their rows, as described in `deferred.Executor`."""
        statements = self._of(connection)
        for statement, rows in changes:
            statements.change(statement, rows)

    def _of(self, connection: Connection) -> SqliteStatements:
        found: SqliteStatements | None = connection.info.get(_STATEMENTS)
        if found is None:
            driver: Any = connection.connection.driver_connection
            found = connection.info[_STATEMENTS] = self._statements(driver)
        return found

    def _statements(self, connection: sqlite3.Connection) -> SqliteStatements:
        return SqliteStatements(connection, lambda error: _failure(error) or error)

    def interrupt(self, connection: Any) -> bool:
        """End the statement that runs on a connection."""
        connection.interrupt()
        return True

    def sizes(self, connection: Connection) -> tuple[int, int | None]:
        """Return the sizes of the file and its log."""
        try:
            log = self._path.with_name(f"{self._path.name}-wal").stat().st_size
        except OSError:
            # Without a writer there is none.
            log = 0
        return self._path.stat().st_size, log

    def committed(self, weight: int) -> None:
        """Run a checkpoint now and then."""
        self._checkpoints.committed(weight)

    def rewrite(self) -> None:
        """Write the whole database anew, into its log.

        `secure_delete` overwrites deleted rows, but when SQLite moves rows between pages, copies
        stay in the unused parts of the pages that they came from.
        """
        self._checkpoints.rewrite()

    def scrub(self, tables: Iterable[str]) -> bool:
        """Empty the log."""
        return self._checkpoints.empty_log()

    def stop_rewriting(self) -> None:
        """Interrupt a rewrite, which changes nothing then."""
        self._checkpoints.interrupt()

    def close(self) -> None:
        """Finish the checkpoint in progress, and close the mark."""
        self._checkpoints.close()
        self._mark_contents()
        self._mark.close()

    def _accept(self, loss: Loss) -> None:
        """Begin a new epoch after changes were lost."""
        _log.warning("%s", loss.message)
        with self.begin_exclusive() as connection:
            check = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            if check != "ok":
                raise StoreDamagedError(f"the database file is damaged ({check}); restore a backup")
            now = time.time_ns() // 1000
            epoch = begin_epoch(connection, GapReason.DAMAGED, now, known=loss.marked.sequence)
        _log.warning(
            "accepted the loss of changes after %d; the next change is %d, in the new epoch %s",
            *(epoch.lost_after, epoch.lost_through + 1, epoch.name),
        )

    def _mark_contents(self) -> int:
        """Raise the mark to what the database contains, and return the epoch."""
        with self.reader.connect() as connection:
            driver: Any = connection.connection.driver_connection
            marked = contents_of(driver)
        if marked is None:
            raise StoreFailure("the database has no epoch: it is damaged")
        self._mark.raise_to(marked)
        return marked.epoch

    def count_commit(self, connection: Connection) -> int:
        """Count the commit of a transaction that changed something.

        Raises:
            StoreUnavailableError: The file was removed or replaced.
        """
        driver: Any = connection.connection.driver_connection
        self.check_lost()
        if driver.total_changes == connection.info.get(_CHANGES_SEEN, 0):
            return 0
        [[number]] = driver.execute(_COUNT_COMMIT).fetchall()
        connection.info[_CHANGES_SEEN] = driver.total_changes
        return int(number)

    def mark_commit(self, number: int, sequence: int) -> None:
        """Note a commit in the mark of the database."""
        if number:
            self._mark.raise_to(Marked(self._epoch, number, sequence))

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Translate an error of SQLite."""
        return _failure(error.orig)


class _Checkpoints:
    """Runs checkpoints, which move commits from the log to the database file, in the background.

    SQLite itself runs them during a commit, which delays that commit. It still does so if the log
    becomes long nevertheless.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Used on the thread only.
        self._connection = _connect(path, is_writer=True)
        self._weight = 0
        self._thread = ThreadPoolExecutor(1, "exchange-checkpoints")
        self._running: Future[None] | None = None
        self._is_closing = False

    def committed(self, weight: int) -> None:
        """Start a checkpoint if enough was committed since the last one, and that has finished."""
        self._weight += weight
        if self._weight >= CHECKPOINT_WEIGHT and (self._running is None or self._running.done()):
            self._weight = 0
            self._running = self._thread.submit(self._run)

    def rewrite(self) -> None:
        """Write the whole database anew, into its log; no writer may run meanwhile.

        Raises:
            StoreFailure: There is not enough space, or the database failed.
        """
        self._thread.submit(self._vacuum).result()

    def _vacuum(self) -> None:
        if self._is_closing:
            raise StoreUnavailableError("the store is closing")
        try:
            [[size]] = self._connection.execute(_USED_BYTES).fetchall()
            # A disk that is filled would stop other programs, and only after a long time this one.
            if shutil.disk_usage(self._path.parent).free < size:
                raise StoreFullError(f"to rewrite the database takes {size:,} bytes of free space")
            self._connection.execute("VACUUM")
        except sqlite3.Error as error:
            raise _failure(error) or error from error

    def interrupt(self) -> None:
        """Begin no further rewrite, and interrupt the one in progress."""
        self._is_closing = True
        self._connection.interrupt()

    def empty_log(self) -> bool:
        """Move everything from the log to the database file, and empty the log.

        Returns:
            Whether that was possible: a reader of an older state needs the log.
        """
        return self._thread.submit(self._truncate).result()

    def _truncate(self) -> bool:
        # Writers wait meanwhile, so most of the work is done before, and it must not wait for long
        # for a reader.
        self._run()
        self._connection.execute(f"PRAGMA busy_timeout = {TRUNCATION_MILLISECONDS}")
        try:
            [result] = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise _failure(error) or error from error
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        return int(result[0]) == 0

    def close(self) -> None:
        """Wait for the checkpoint in progress, and disconnect."""
        self._thread.shutdown()
        self._connection.close()

    def _run(self) -> None:
        # If the disk is full or fails, the writers get the error.
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


class _SqliteSequenceReader:
    """A connection that reads the latest sequence number without waiting.

    The row is on a page that every read and every change of a document uses, so it is in memory.
    Readers and writers do not block each other; if the file is locked nevertheless, as during a
    recovery, the timeout of 0 prevents waiting.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _connect(path, is_writer=False, timeout=0)
        self._sql = "SELECT value FROM counters WHERE name = 'sequence'"

    def __call__(self) -> int | None:
        """Return the sequence number of the latest change; ``None`` if that would take waiting."""
        try:
            found: int = self._connection.execute(self._sql).fetchone()[0]
        except sqlite3.Error:
            return None
        return found

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def _failure(error: BaseException | None) -> StoreFailure | None:
    """Translate an error of the driver; ``None`` for an unexpected error."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        cannot_open = isinstance(error, sqlite3.OperationalError)
        return StoreUnavailableError(str(error)) if cannot_open else None
    found = _FAILURES.get(code & 0xFF)
    return found[0](f"{found[1]} ({error})") if found is not None else None


def _identity(path: Path) -> tuple[int, int]:
    """Return what identifies a file, whatever its name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _create_private(path: Path) -> None:
    """Create the file of a database, if there is none, so that only its owner can read it.

    SQLite gives the files beside it, such as the log, the same permissions.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        # It exists, or SQLite reports why it cannot be opened.
        return


def _connect(path: Path, *, is_writer: bool, timeout: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open a connection of the driver, which one thread at a time may use."""
    try:
        connection = sqlite3.connect(path, timeout=timeout, check_same_thread=False)
        _prepare(connection, is_writer=is_writer)
    except sqlite3.Error as error:
        raise _failure(error) or error from error
    return connection


def _prepare(connection: Any, *, is_writer: bool) -> None:
    """Configure a connection of the driver."""
    # Otherwise the driver itself would begin transactions, and later.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")
    if is_writer:
        # What is deleted is overwritten, so that nearly nothing of it is left in the file, also
        # when that is not rewritten.
        connection.execute("PRAGMA secure_delete = ON")
    else:
        connection.execute("PRAGMA query_only = ON")


def _engine(path: Path, begin: str, *, pool: int) -> Engine:
    """Create an engine whose transactions begin with the given statement."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        poolclass=QueuePool,
        pool_size=pool,
        max_overflow=0,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        _prepare(connection, is_writer=begin == "BEGIN IMMEDIATE")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
