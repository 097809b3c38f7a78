"""What is particular to SQLite: one file, one writer at a time, and readers that never wait."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from crucible_ir.exchange.store.engine.database import MAX_GROUP, READERS, SequenceReader
from crucible_ir.exchange.store.engine.lookups import LookupConnection
from crucible_ir.exchange.store.engine.migrations import migrate
from crucible_ir.exchange.store.errors import (
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.statements.changes import ChangeNotifier
from crucible_ir.exchange.store.statements.rows import Lookup

#: How long to wait for another process that writes, in seconds.
BUSY_SECONDS = 10

#: After how much work a checkpoint is made, by the measure of `MAX_GROUP`; and the pages in the log
#: from which on a commit makes one by itself: 64 MiB.
CHECKPOINT_SIZE = 4 * MAX_GROUP
MOST_PAGES_IN_LOG = 16_384

#: What SQLite's primary result codes mean here; the rest are faults of the file or of this program.
_FAILURES: dict[int, tuple[type[StoreFailure], str]] = {
    sqlite3.SQLITE_FULL: (StoreFullError, "there is no room left for the database"),
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "the database cannot be written"),
    sqlite3.SQLITE_PERM: (StoreReadOnlyError, "the database may not be written"),
    sqlite3.SQLITE_BUSY: (StoreUnavailableError, "another process keeps the database busy"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailableError, "the database is locked"),
    sqlite3.SQLITE_IOERR: (StoreUnavailableError, "the database's disk failed"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailableError, "the database cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (StoreFailure, "the database's file is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreFailure, "the file is not a SQLite database"),
}


class SqliteDriver:
    """A database in one file, which is made when there is none.

    Commits are durable when they return: the log is synchronised with the disk at each of them.
    """

    poll_seconds = 0.5

    def __init__(self, path: Path) -> None:
        self.writer: Engine = _engine(path, "BEGIN IMMEDIATE", pool=1)
        try:
            with self.writer.begin() as connection:
                migrate(connection)
        except DBAPIError as error:
            self.writer.dispose()
            raise self.failure(error) or error from error
        except BaseException:
            self.writer.dispose()
            raise
        self.reader: Engine = _engine(path, "BEGIN", pool=READERS)
        self._checkpoints = _Checkpoints(path)
        self.finder: Callable[[], LookupConnection] | None = lambda: _SqliteLookups(path)
        self.sequence: Callable[[], SequenceReader] | None = lambda: _SqliteSequenceReader(path)

    def lock(self, connection: Connection) -> None:
        """Do nothing: a transaction for writing begins with the lock."""

    def announce(self, connection: Connection, sequence: int) -> None:
        """Do nothing: other processes look for themselves."""

    def committed(self, size: int) -> None:
        """Have what is in the log moved to the file of the database, now and then."""
        self._checkpoints.committed(size)

    def close(self) -> None:
        """Finish the checkpoint that is being made."""
        self._checkpoints.close()

    async def listen(self, notifier: ChangeNotifier) -> None:
        """Wait to be cancelled: other processes announce nothing."""
        await asyncio.Event().wait()

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Say what an error of SQLite means."""
        return _failure(error.orig)


class _Checkpoints:
    """Moves what was committed from the log to the file of the database, beside all that goes on.

    SQLite by itself does that at a commit, whose sender then waits for it. It still does, where the
    log has become long all the same.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._thread = ThreadPoolExecutor(1, "exchange-checkpoints")
        self._made: Future[None] | None = None
        self._connection: sqlite3.Connection | None = None

    def committed(self, size: int) -> None:
        """Begin a checkpoint, if enough was committed since the last and that is made."""
        self._size += size
        if self._size >= CHECKPOINT_SIZE and (self._made is None or self._made.done()):
            self._size = 0
            self._made = self._thread.submit(self._make)

    def close(self) -> None:
        """Wait for the checkpoint that is being made, and disconnect."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()

    def _make(self) -> None:
        # A disk that is full or fails has those told who write: here is nobody to tell.
        with suppress(sqlite3.Error):
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, check_same_thread=False)
                _prepare(self._connection, is_writer=True)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


class _SqliteSequenceReader:
    """A connection that reads one row, and rather nothing than what it would have to wait for.

    The row is on a page that every reader and every change of a document touches. A read takes no
    lock that a writer holds; where the file is locked all the same, as while it is repaired, the
    driver is told not to wait.
    """

    def __init__(self, path: Path) -> None:
        # Opened on one thread and used on that of the event loop.
        self._connection = sqlite3.connect(path, timeout=0, check_same_thread=False)
        _prepare(self._connection, is_writer=False)
        self._sql = "SELECT value FROM counters WHERE name = 'sequence'"

    def __call__(self) -> int | None:
        """Return the sequence number of the latest change, if that takes no waiting."""
        try:
            found: int = self._connection.execute(self._sql).fetchone()[0]
        except sqlite3.Error:
            return None
        return found

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


class _SqliteLookups:
    """A connection on which each lookup is one statement of the driver, compiled once."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
            _prepare(self._connection, is_writer=False)
        except sqlite3.Error as error:
            raise _failure(error) or error from error
        self._compiled: dict[Any, tuple[str, list[str], dict[str, Any]]] = {}

    def find(self, lookup: Lookup) -> Any:
        """Return the row, if there is one."""
        compiled = self._compiled.get(lookup.statement)
        if compiled is None:
            compiled = self._compiled[lookup.statement] = _compiled(lookup.statement)
        sql, names, constants = compiled
        values = {**constants, **lookup.parameters}
        try:
            return self._connection.execute(sql, [values[name] for name in names]).fetchone()
        except sqlite3.Error as error:
            raise _failure(error) or error from error

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def _compiled(statement: Select[Any]) -> tuple[str, list[str], dict[str, Any]]:
    """Return a statement's SQL, the names of its parameters in order, and the values it gives."""
    compiled = statement.compile(dialect=sqlite.dialect())
    return str(compiled), list(compiled.positiontup or ()), dict(compiled.params)


def _failure(error: BaseException | None) -> StoreFailure | None:
    """Say what an error of the driver means; ``None`` for one that has no business to occur."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        is_unopened = isinstance(error, sqlite3.OperationalError)
        return StoreUnavailableError(str(error)) if is_unopened else None
    found = _FAILURES.get(code & 0xFF)
    return found[0](f"{found[1]} ({error})") if found is not None else None


def _prepare(connection: Any, *, is_writer: bool) -> None:
    """Set a connection of the driver up."""
    # The driver is kept from beginning transactions by itself, and at a later time.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(f"PRAGMA wal_autocheckpoint = {MOST_PAGES_IN_LOG}")
    if not is_writer:
        connection.execute("PRAGMA query_only = ON")


def _engine(path: Path, begin: str, *, pool: int) -> Engine:
    """Make an engine whose transactions begin with a statement of ours."""
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
