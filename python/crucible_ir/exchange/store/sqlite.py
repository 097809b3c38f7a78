"""What is particular to SQLite: one file, one writer at a time, and readers that never wait."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from crucible_ir.exchange.store.announcements import Announcements
from crucible_ir.exchange.store.database import READERS
from crucible_ir.exchange.store.failures import (
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.migrations import migrate

#: How long to wait for another process that writes, in seconds.
BUSY_SECONDS = 10

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
        self.point_reader: Engine | None = _engine(path, None, pool=0)

    def lock(self, connection: Connection) -> None:
        """Do nothing: a transaction for writing begins with the lock."""

    def announce(self, connection: Connection, sequence: int) -> None:
        """Do nothing: other processes look for themselves."""

    async def listen(self, announcements: Announcements) -> None:
        """Wait to be cancelled: other processes announce nothing."""
        await asyncio.Event().wait()

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Say what an error of SQLite means."""
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is None:
            is_unopened = isinstance(error.orig, sqlite3.OperationalError)
            return StoreUnavailableError(str(error.orig)) if is_unopened else None
        found = _FAILURES.get(code & 0xFF)
        return found[0](f"{found[1]} ({error.orig})") if found is not None else None


def _engine(path: Path, begin: str | None, *, pool: int) -> Engine:
    """Make an engine whose transactions begin with a statement of ours.

    Without such a statement each statement is its own transaction, on the one connection.
    """
    pooling: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": pool, "max_overflow": 0}
        if pool
        else {"poolclass": StaticPool}
    )
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        **pooling,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver is kept from beginning transactions by itself, and at a later time.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        if begin != "BEGIN IMMEDIATE":
            connection.execute("PRAGMA query_only = ON")

    if begin is None:
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
