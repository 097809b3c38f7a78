"""The driver for PostgreSQL: several servers share one database and notify each other."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, cast

import psycopg
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    String,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError

from crucible_ir.exchange.store.engine import postgresql_changes
from crucible_ir.exchange.store.engine.database import HEAVY_READERS, READERS, Driver
from crucible_ir.exchange.store.engine.postgresql_lookups import PostgresqlLookups
from crucible_ir.exchange.store.errors import (
    StoreFailure,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.changes import ChangeNotifier
from crucible_ir.exchange.store.statements.rows import Lookup

#: The advisory lock of writers: any number that is the same on every server.
WRITER_LOCK = 0x63727563_69626C65

_LOCK: Final = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"

#: The channel on which writers announce changes.
CHANNEL = "crucible_ir_exchange"

#: The name of the connection that waits for notifications, which each server has; and the number of
#: these.
LISTENER = "crucible-ir listener"
_COUNT_LISTENERS = f"""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = '{LISTENER}'
"""

#: The timeout for connecting, in seconds.
CONNECT_SECONDS = 10

#: The same for the connection of the monitor, which reports soon that the database is back.
MONITOR_CONNECT_SECONDS = 2

#: The longest statement of the monitor, in seconds.
MONITOR_STATEMENT_SECONDS = 5

#: When the server's machine has disappeared, connections fail after some seconds, not after the 15
#: minutes of Linux. These are libpq's parameters.
_DEAD_PEER: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}

#: How long it may take to end a statement, in seconds.
CANCEL_SECONDS = 1.0

#: How long a statement of a read that is not heavy may take, even if nobody can end it.
STATEMENT_SECONDS = 60

#: How long the listening connection may be silent until changes count as unheard, in seconds. It is
#: checked twice as often.
SILENCE_SECONDS = 1.0

_SEQUENCE = b"SELECT value FROM counters WHERE name = 'sequence'"

#: How long to wait before reconnecting to listen, in seconds.
RECONNECT_SECONDS = 1.0

#: Selects the number of snapshots that are older than a transaction.
_OLDER_SNAPSHOTS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_xmin IS NOT NULL AND age(backend_xmin) >= age(%(now)s::xid)
"""

#: The errors for SQLSTATE codes, by the code or its class.
_FAILURES: dict[str, tuple[type[StoreFailure], str]] = {
    "53100": (StoreFullError, "the database has no space left"),
    "25006": (StoreReadOnlyError, "the database is read-only"),
    "08": (StoreUnavailableError, "the connection to the database was lost"),
    "28": (StoreUnavailableError, "the database rejected the credentials"),
    "3D": (StoreUnavailableError, "the database does not exist"),
    "40": (StoreUnavailableError, "the database aborted the transaction because of a conflict"),
    "53": (StoreUnavailableError, "the database is out of resources"),
    "55": (StoreUnavailableError, "the database is busy"),
    "57": (StoreUnavailableError, "the database is shutting down or cancelled the statement"),
    "58": (StoreUnavailableError, "the database's system failed"),
}


#: Notifies the channel of a sequence number.
_NOTIFY: Final = select(func.pg_notify(CHANNEL, bindparam("sequence", type_=String)))


class PostgresqlDriver(Driver):
    """A database on a PostgreSQL server; a lock serializes the writers of all processes."""

    poll_seconds = 2.0

    def __init__(self, url: URL) -> None:
        self._hears_until = 0.0
        url = url.set(drivername="postgresql+psycopg")
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.writer = _engine(url, 2, {"isolation_level": "READ COMMITTED"})
        event.listen(self.writer, "connect", _require_durable_commits)
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self.reader = _engine(url, READERS, reading)
        event.listen(self.reader, "connect", _limit_statements(STATEMENT_SECONDS))
        self.heavy_reader = _engine(url, HEAVY_READERS, reading)
        self.monitor = _engine(url, 1, reading, connect_seconds=MONITOR_CONNECT_SECONDS)
        event.listen(self.monitor, "connect", _limit_statements(MONITOR_STATEMENT_SECONDS))
        self.migrate()
        self.connect_lookup = partial(
            PostgresqlLookups, self._connect_lookups, lambda error: _failure(error) or error
        )

    def listeners(self) -> int:
        """Return the number of servers that have the database open."""
        with self.reader.connect() as connection:
            return int(connection.exec_driver_sql(_COUNT_LISTENERS).scalar_one())

    def lock(self, connection: Connection) -> None:
        """Take the lock of writers until the transaction ends."""
        connection.exec_driver_sql(_LOCK)

    def find_all(self, connection: Connection, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return for each lookup the row, as described in `deferred.Executor`."""
        with _translating():
            return postgresql_changes.find_all(_driver_of(connection), lookups)

    def change_all(self, connection: Connection, changes: Sequence[deferred.Change]) -> None:
        """Execute statements with their rows, as described in `deferred.Executor`."""
        with _translating():
            postgresql_changes.change_all(_driver_of(connection), changes)

    def notify(self, connection: Connection, sequence: int) -> None:
        """Notify the channel, which takes effect when the transaction is committed."""
        deferred.change(connection, _NOTIFY, [{"sequence": str(sequence)}], None)

    def interrupt(self, connection: Any) -> bool:
        """End the statement that runs on a connection."""
        try:
            connection.cancel_safe(timeout=CANCEL_SECONDS)
        except psycopg.Error:
            return False
        return True

    def limit(self, connection: Connection, seconds: float) -> None:
        """Let the database end the statements, even if this process cannot."""
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = {max(1, math.ceil(seconds * 1000))}"
        )

    def sizes(self, connection: Connection) -> tuple[int, int | None]:
        """Return the size of the database; the log is that of the whole server."""
        name = func.current_database()
        return int(connection.execute(select(func.pg_database_size(name))).scalar_one()), None

    @property
    def hears_changes(self) -> bool:
        """Whether a notification of every change by any process arrives."""
        return time.monotonic() < self._hears_until

    def scrub(self, tables: Iterable[str]) -> bool:
        """Remove the deleted rows, unless a transaction that may see them is still in progress."""
        try:
            with psycopg.connect(
                self._address, autocommit=True, connect_timeout=CONNECT_SECONDS
            ) as connection:
                [now] = connection.execute("SELECT pg_current_xact_id()::xid").fetchone() or ()
                for table in tables:
                    connection.execute(f"VACUUM {table}".encode())
                [older] = connection.execute(_OLDER_SNAPSHOTS, {"now": now}).fetchone() or ()
                return not older
        except psycopg.Error as error:
            raise StoreUnavailableError(f"cannot vacuum the database: {error}") from error

    async def listen(self, notifier: ChangeNotifier) -> None:
        """Pass on notifications; polling continues while the connection fails."""
        while True:
            try:
                await self._listen(notifier)
            except psycopg.Error:
                self._hears_until = 0.0
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, notifier: ChangeNotifier) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._address,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=LISTENER,
            **_DEAD_PEER,
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            is_first = True
            while True:
                asked = time.monotonic()
                found = await connection.execute(_SEQUENCE)
                row = await found.fetchone()
                latest = 0 if row is None else row[0]
                if is_first or latest != notifier.latest:
                    # There was no notification of changes before the connection, and older releases
                    # of psycopg lose those that arrive during a statement.
                    notifier.notify(latest)
                    is_first = False
                # Without an answer for some time, notifications may be lost in silence.
                self._hears_until = asked + SILENCE_SECONDS
                async for notification in connection.notifies(timeout=SILENCE_SECONDS / 2):
                    # Every client of the database may send any text to the channel.
                    with suppress(ValueError):
                        notifier.notify(int(notification.payload))

    def failure(self, error: DBAPIError) -> StoreFailure | None:
        """Translate an error of PostgreSQL."""
        return _failure(error.orig, is_lost=error.connection_invalidated)

    def _connect_lookups(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._address,
            autocommit=True,
            prepare_threshold=0,
            connect_timeout=CONNECT_SECONDS,
            **_DEAD_PEER,
        )
        connection.execute("SET default_transaction_read_only = on")
        connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
        return connection


def _failure(error: BaseException | None, *, is_lost: bool = False) -> StoreFailure | None:
    """Translate an error of the driver; ``None`` for an unexpected error."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        is_lost |= isinstance(error, psycopg.OperationalError)
        return (
            StoreUnavailableError(f"cannot connect to the database: {error}") if is_lost else None
        )
    found = _FAILURES.get(state) or _FAILURES.get(state[:2])
    return found[0](f"{found[1]} ({error})") if found is not None else None


@contextmanager
def _translating() -> Iterator[None]:
    """Translate errors of the driver."""
    try:
        yield
    except psycopg.Error as error:
        raise _failure(error) or error from error


def _driver_of(connection: Connection) -> psycopg.Connection[Any]:
    driver: Any = connection.connection.driver_connection
    return cast("psycopg.Connection[Any]", driver)


def _require_durable_commits(connection: Any, _: object) -> None:
    """Make commits wait until they are durable, even if the database is configured otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone() == ("off",):
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _limit_statements(seconds: int) -> Callable[[Any, object], None]:
    """Return a listener that limits the time of the statements of a connection."""

    def limit(connection: Any, _: object) -> None:
        connection.execute(f"SET statement_timeout = '{seconds}s'")
        connection.commit()

    return limit


def _engine(
    url: URL,
    connections: int,
    options: dict[str, Any],
    *,
    connect_seconds: int = CONNECT_SECONDS,
) -> Engine:
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={**_DEAD_PEER, "connect_timeout": connect_seconds},
        execution_options=options,
    )
